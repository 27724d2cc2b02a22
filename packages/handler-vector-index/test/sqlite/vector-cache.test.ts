import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../src/sqlite/store.js'
import { numberIn, type Row } from '../../src/sqlite/rows.js'
import { type CollectionState, createVectorCache } from '../../src/sqlite/vector-cache.js'
import { tempFolder } from '../temp-folder.js'

const DIM = 4
/** A vector, and the keys of its chunk and its document. */
const ROW_BYTES = DIM * 4 + 16
const { signal } = new AbortController()

async function openCache(maxRows: number) {
  const path = join(await tempFolder(), 'vectors.db')
  const store = await openSqliteStore({ path })
  onTestFinished(() => store.close())
  const db = new DatabaseSync(path, { readOnly: true })
  onTestFinished(() => db.close())
  const cache = createVectorCache(db, maxRows * ROW_BYTES)
  const state = db.prepare(
    `SELECT k.key AS collection, k.revision, g.key AS generation, g.dim, g.chunks, g.removals
     FROM collections k JOIN generations g ON g.collection = k.key`,
  )
  let written = 0
  return {
    add: (count: number) => {
      const documents = Array.from({ length: count }, () => ({
        id: `doc-${written++}`,
        seen: null,
        sourceId: null,
        version: null,
        metadata: '{}',
        content: {
          contentHash: '',
          joints: null,
          chunks: [{ text: null, vector: Float32Array.of(1, 0, 0, 0) }],
        },
      }))
      const spec = { collection: 'documents', embedder: 'external', dim: DIM, chunk: null }
      return store.write({ ...spec, documents }, { signal })
    },
    load: () => cache.load(stateIn(state.get() ?? {})),
  }
}

function stateIn(row: Row): CollectionState {
  const read = (column: keyof CollectionState) => numberIn(row, column)
  const keys = { collection: read('collection'), generation: read('generation') }
  const size = { dim: read('dim'), chunks: read('chunks') }
  return { ...keys, ...size, revision: read('revision'), removals: read('removals') }
}

test('a matrix that grows keeps within the memory allowed, up to the last row', async () => {
  const { add, load } = await openCache(100)
  await add(70)
  expect(load()?.rows).toBe(70)
  await add(10)
  const grown = load()
  expect([grown?.rows, grown?.chunks.length, grown?.vectors.length]).toEqual([80, 100, 100 * DIM])
  await add(20)
  expect(load()?.rows).toBe(100)
  await add(1)
  expect(load()).toBeNull()
})
