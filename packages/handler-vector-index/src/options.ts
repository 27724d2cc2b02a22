import { embedderOptions } from '@mcp-worker/embedder'
import { z } from 'zod'

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

/** What `vectorIndex({…})` takes. Everything has a default. */
export const optionsSchema = z.strictObject({
  /** The SQLite file. Default: `vectors.db` in the plugin's folder under DATA_DIR. */
  path: z.string().min(1).optional(),
  /** What turns texts into vectors. Default: the built-in engine, which needs no network. */
  embedder: embedderOptions.prefault({ engine: 'builtin' }),
  /** The folder that `documents_ref` names files in. Without it `documents_ref` is refused. */
  documents_root: z.string().min(1).optional(),
  /** For payloads that do not say otherwise. */
  chunk: chunkSchema.prefault({}),
  /** In characters; longer texts fail with DOCUMENT_TOO_LARGE. */
  max_text_length: z.int().min(1).max(4_000_000).default(1_000_000),
  /** Vectors kept in memory by each thread that searches; a collection that does not fit is read from the file at each search. */
  search_memory_mb: z.int().min(0).max(65_536).default(512),
  /** How long a write waits for other writers of the file until the task is retried. */
  busy_timeout_ms: z.int().min(0).max(600_000).default(30_000),
})

export type VectorIndexOptions = z.output<typeof optionsSchema>
