import { embedderOptions } from '@mcp-worker/embedder'
import { z } from 'zod'
import { pgvectorStoreOptions } from './pgvector/options.js'
import { qdrantStoreOptions } from './qdrant/options.js'
import { sqliteStoreOptions } from './sqlite/options.js'

/** How a text is cut: `size` and `overlap` in characters (UTF-16 code units). */
export const chunkSchema = z
  .strictObject({
    size: z.int().min(100).max(32_000).default(1200),
    overlap: z.int().min(0).default(150),
  })
  .refine((chunk) => chunk.overlap * 2 < chunk.size, {
    path: ['overlap'],
    message: 'expected less than half of size',
  })

export type ChunkOptions = z.output<typeof chunkSchema>

/** One member per engine: an object schema in the engine's folder, told apart by its literal `engine`. */
export const storeOptions = z.discriminatedUnion('engine', [
  sqliteStoreOptions,
  pgvectorStoreOptions,
  qdrantStoreOptions,
])

export type StoreOptions = z.output<typeof storeOptions>
/** As it is written in the options of the plugin: what has a default may be left out. */
export type StoreInput = z.input<typeof storeOptions>

/** What `vectorIndex({…})` takes. Everything has a default. camelCase, as all of the worker's configuration; payloads are snake_case. */
export const optionsSchema = z.strictObject({
  store: storeOptions.prefault({ engine: 'sqlite' }).describe('Where vectors live.'),
  embedder: embedderOptions
    .prefault({ engine: 'builtin' })
    .describe('What turns texts into vectors: options of `@mcp-worker/embedder`.'),
  documentsRoot: z
    .string()
    .min(1)
    .optional()
    .describe('The folder that `documents_ref` names files in. Without it `documents_ref` is refused.'),
  chunk: chunkSchema
    .prefault({})
    .describe('How texts of a new collection are cut, if the payload does not say: `{size, overlap}`.'),
  maxTextLength: z
    .int()
    .min(1)
    .max(4_000_000)
    .default(1_000_000)
    .describe('In characters; longer texts fail with DOCUMENT_TOO_LARGE.'),
})

export type VectorIndexOptions = z.output<typeof optionsSchema>
