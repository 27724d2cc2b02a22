import { join } from 'node:path'
import type { StoreOptions } from './options.js'
import type { VectorStore } from './store.js'

/** Opens the engine that the options name. Engines are imported when they are asked for: their client packages are optional. */
export async function openStore(options: StoreOptions, dataDir: string): Promise<VectorStore> {
  switch (options.engine) {
    case 'sqlite': {
      const { openSqliteStore } = await import('./sqlite/store.js')
      return openSqliteStore({ ...options, path: options.path ?? join(dataDir, 'vectors.db') })
    }
    case 'pgvector': {
      const { openPgvectorStore } = await import('./pgvector/store.js')
      return openPgvectorStore(options)
    }
    case 'qdrant': {
      const { openQdrantStore } = await import('./qdrant/store.js')
      return openQdrantStore(options)
    }
  }
}
