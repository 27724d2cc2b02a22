import { z } from 'zod'
import { keepAlive } from './durations.js'
import { EVICT_REASONS, EVICT_RULES, PRIORITIES } from './model-entry.js'
import { modelId, warmupFields } from './model-fields.js'
import { MODEL_STATES } from './states.js'

const named = {
  model_id: modelId,
  revision: z.string().min(1).max(256).optional(),
  /** `ollama`, `onnx`, `file`, `embedder`. Default: by the options and the name. */
  engine: z.string().min(1).max(64).optional(),
}

const loading = {
  ...named,
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 lower-case hex digits')
    .optional(),
  priority: z.enum(PRIORITIES).default('normal'),
  keep_alive: keepAlive.optional(),
  pin: z.boolean().default(false),
  warmup: z
    .strictObject(warmupFields)
    .refine(({ inputs, prompt }) => inputs === undefined || prompt === undefined, {
      message: 'expected inputs or prompt, not both',
    })
    .optional(),
  /** Reserved in place of the engine's estimate. */
  memory_bytes: z.int().min(1).optional(),
  evict: z.enum(EVICT_RULES).default('any'),
  /** Also before the backoff of a failed load is over. */
  force: z.boolean().default(false),
}

// optional inside default: so that a payload without `operation` finds this branch of the union
const preload = z.strictObject({ operation: z.literal('preload').optional().default('preload'), ...loading })
const warmup = z.strictObject({ operation: z.literal('warmup'), ...loading })
const pin = z.strictObject({
  operation: z.literal('pin'),
  ...loading,
  pin: z.literal(true).optional().default(true),
})
const unpin = z.strictObject({ operation: z.literal('unpin'), ...named })
const evict = z.strictObject({
  operation: z.literal('evict'),
  ...named,
  /** Pinned ones too, which ends the pin, and requests that come meanwhile wait. What is in use stays until its last use ends. */
  force: z.boolean().default(false),
})
const status = z.strictObject({ operation: z.literal('status'), ...named, model_id: modelId.optional() })
const reconcile = z.strictObject({ operation: z.literal('reconcile') })

export const payloadSchema = z.discriminatedUnion('operation', [
  preload,
  warmup,
  pin,
  unpin,
  evict,
  status,
  reconcile,
])

export type Payload = z.output<typeof payloadSchema>
export type LoadingPayload = Extract<Payload, { operation: 'preload' | 'warmup' | 'pin' }>
export type NamedPayload = Extract<Payload, { operation: 'evict' | 'unpin' }>

export const OUTCOMES = ['hit', 'loaded', 'joined', 'evicted', 'absent', 'refused', 'partial'] as const

const bytes = z.number().min(0)
const warmthSchema = z.strictObject({ first_ms: z.number(), p50_ms: z.number(), runs: z.int() })

export const poolSchema = z.strictObject({
  /** `process`, or the address of the endpoint. */
  pool: z.string(),
  /** Models in memory, those of others on the endpoint included. */
  used: bytes,
  /** Loads under way. */
  reserved: bytes,
  /** null: not limited. */
  limit: bytes.nullable(),
})

export const modelSchema = z.strictObject({
  model_id: z.string(),
  revision: z.string().nullable(),
  engine: z.string(),
  state: z.enum(MODEL_STATES),
  bytes: z.strictObject({ estimated: bytes.nullable(), measured: bytes.nullable() }),
  uses: z.int(),
  pinned: z.boolean(),
  priority: z.enum(PRIORITIES),
  /** Seconds since somebody asked for it or used it. */
  idle_seconds: z.number(),
  requests_per_minute: z.number(),
  /** Of its last load, warmup included; null before the first. */
  load_seconds: z.number().nullable(),
  warmup: warmthSchema.nullable(),
  /** Why the last load failed or was refused, of a model that is not in memory. */
  error: z.strictObject({ code: z.string(), message: z.string(), retry_in_seconds: z.number() }).nullable(),
})

const evictedSchema = z.strictObject({ model: z.string(), reason: z.enum(EVICT_REASONS) })

export const resultSchema = z.strictObject({
  operation: z.enum(['preload', 'warmup', 'pin', 'unpin', 'evict', 'status', 'reconcile']),
  outcome: z.enum(OUTCOMES),
  /** Of `refused`: `pinned`, `rule` (the payload's own `evict`), `loading`, `revived`; of `partial`: what failed. */
  reason: z.string().nullable(),
  model_id: z.string().nullable(),
  engine: z.string().nullable(),
  /** Of this model's last load, warmup included; null: it was never loaded here. */
  load_seconds: z.number().nullable(),
  warmup: warmthSchema.nullable(),
  bytes: z.strictObject({ estimated: bytes.nullable(), measured: bytes.nullable() }).nullable(),
  /** Evicted for this request. */
  evicted: z.array(evictedSchema),
  /** The replica that this task reached, and how the model stands there. */
  replicas: z.array(z.strictObject({ replica: z.string(), state: z.enum(MODEL_STATES) })),
  budget: poolSchema.nullable(),
  /** Of `status` and `reconcile`: the first 100 models. */
  models: z.array(modelSchema),
})

export type ModelCacheResult = z.output<typeof resultSchema>

export const statusInputSchema = z.strictObject({
  /** With those that are not in memory, and of which only a rate or an error is remembered. Default false. */
  all: z.boolean().default(false),
})

export const statusOutputSchema = z.strictObject({
  replica: z.string(),
  models: z.array(modelSchema),
  budgets: z.array(
    poolSchema.extend({
      waiting: z.int(),
      peak: bytes,
      /** Of `used`: what others hold on the endpoint, as last seen. It is not evicted for requests here. */
      others: bytes,
    }),
  ),
  /** Why the last eviction chose what it chose; null: there was none. */
  last_eviction: z
    .strictObject({
      seconds_ago: z.number(),
      for_model: z.string(),
      needed_bytes: bytes,
      policy: z.string(),
      candidates: z.array(
        z.strictObject({
          model: z.string(),
          bytes,
          /** Share of the requests × load seconds: what its absence was expected to cost each request, in seconds. */
          cost: z.number(),
          chosen: z.boolean(),
        }),
      ),
      why: z.string(),
    })
    .nullable(),
})

export type StatusOutput = z.output<typeof statusOutputSchema>
export type ModelStatus = z.output<typeof modelSchema>
