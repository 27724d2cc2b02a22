import { z } from 'zod'
import { duration } from '../../durations.js'

/** Options of the engine `file`. */
export const fileEngineOptions = z.strictObject({
  root: z
    .string()
    .min(1)
    .describe('The folder that models are looked for in; a model_id is a path below it.'),
  watchInterval: duration
    .refine((ms) => ms >= 10, 'expected 10 ms or more')
    .prefault('2s')
    .describe('How often a loaded file is looked at, to notice that it changed or went.'),
})

export type FileEngineOptions = z.output<typeof fileEngineOptions>
