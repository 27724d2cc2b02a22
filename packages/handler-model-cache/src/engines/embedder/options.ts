import { embedderOptions } from '@mcp-worker/embedder'
import { z } from 'zod'

/** Options of the engine `embedder`. */
export const embedderEngineOptions = z.strictObject({
  models: z
    .record(z.string().min(1), embedderOptions)
    .default({ builtin: { engine: 'builtin' } })
    .describe('The embedders that can be loaded, by model_id.'),
  threadMemoryMb: z.int().min(8).default(256).describe('Heap limit of the thread of one embedder, in MiB.'),
})

export type EmbedderEngineOptions = z.output<typeof embedderEngineOptions>
