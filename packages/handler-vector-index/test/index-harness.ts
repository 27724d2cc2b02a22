import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { z } from 'zod'
import { openDocumentsRoot } from '../src/documents-root.js'
import type { Checkpoint } from '../src/journal.js'
import { createVectorIndexMetrics } from '../src/metrics.js'
import { runOperation } from '../src/operations.js'
import { optionsSchema } from '../src/options.js'
import { payloadSchema, searchInputSchema, type VectorIndexResult } from '../src/payload.js'
import { searchVectors } from '../src/search.js'
import { openSqliteStore, type SqliteStoreOptions } from '../src/sqlite/store.js'
import type { TaskContext } from '../src/task-context.js'
import type { VectorStore } from '../src/store.js'
import { tempFolder } from './temp-folder.js'
import { createWordEmbedder, type CountingEmbedder } from './word-embedder.js'

interface RunOptions {
  /** Names the task's mark in the store. Default: a task of its own for each run. */
  readonly task?: string
  readonly store?: VectorStore
  readonly embedder?: CountingEmbedder
  readonly checkpoint?: Checkpoint
  readonly signal?: AbortSignal
  /** Called with each checkpoint that is stored. */
  readonly onCheckpoint?: (checkpoint: Checkpoint) => void
  readonly onProgress?: TaskContext['progress']
}

export interface IndexHarness {
  readonly folder: string
  readonly path: string
  readonly store: VectorStore
  readonly embedder: CountingEmbedder
  run(payload: z.input<typeof payloadSchema>, options?: RunOptions): Promise<VectorIndexResult>
  search(
    input: z.input<typeof searchInputSchema>,
    embedder?: CountingEmbedder,
  ): ReturnType<typeof searchVectors>
}

/** The real store and handlers, with an embedder that counts its calls; `documents_ref` names files in `folder`. */
export async function openIndex(storeOptions: Partial<SqliteStoreOptions> = {}): Promise<IndexHarness> {
  const folder = await tempFolder()
  const path = storeOptions.path ?? join(folder, 'vectors.db')
  const store = await openSqliteStore({ ...storeOptions, path })
  onTestFinished(() => store.close())
  const root = await openDocumentsRoot(folder)
  const embedder = createWordEmbedder()
  const options = optionsSchema.parse({ chunk: { size: 100, overlap: 20 }, maxTextLength: 10_000 })
  return {
    folder,
    path,
    store,
    embedder,
    async run(input, given = {}) {
      const payload = payloadSchema.parse(input)
      const deps = {
        store: given.store ?? store,
        embedder: given.embedder ?? embedder,
        metrics: silentMetrics,
        options,
        root,
      }
      return runOperation(payload, deps, contextOf(given))
    },
    search: (input, other) =>
      searchVectors(
        searchInputSchema.parse(input),
        { store, embedder: other ?? embedder },
        new AbortController().signal,
      ),
  }
}

export const silentMetrics = createVectorIndexMetrics({
  counter: () => ({ inc: () => {} }),
  gauge: () => ({ set: () => {} }),
  histogram: () => ({ observe: () => {} }),
})

let runs = 0

export function contextOf({ task, checkpoint, signal, onCheckpoint, onProgress }: RunOptions): TaskContext {
  let stored = JSON.stringify(checkpoint ?? null)
  return {
    task: { id: task ?? `task-${++runs}` },
    signal: signal ?? new AbortController().signal,
    progress: onProgress ?? (() => {}),
    checkpoint: {
      get: () => JSON.parse(stored),
      set: async (value) => {
        stored = JSON.stringify(value)
        onCheckpoint?.(JSON.parse(stored) as Checkpoint)
      },
    },
  }
}

/** `count` words, each of them different, so that texts can be told apart. */
export function words(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`).join(' ')
}
