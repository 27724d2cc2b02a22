import { z } from 'zod'

const CONTROL = /\p{Cc}/u

/** No control characters, and nothing that is only white space: it appears in logs and addresses. */
export const modelId = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => !CONTROL.test(name) && name === name.trim(), {
    message: 'expected a name without control characters, and no space at its ends',
  })

export const warmupFields = {
  runs: z.int().min(1).max(100).optional(),
  /** One or more inputs of the model, as its engine understands them. */
  inputs: z.unknown().optional(),
  prompt: z.string().min(1).max(32_000).optional(),
  max_ms: z.int().min(1).max(3_600_000).optional(),
}

/** What a payload or the options say about a warmup; `maxMs` is `max_ms` in a payload. */
export interface WarmupFields {
  readonly runs?: number | undefined
  readonly inputs?: unknown
  readonly prompt?: string | undefined
  readonly maxMs?: number | undefined
}
