import { expect } from 'vitest'
import type { Chunk, DocumentWrite, Hit, VectorStore } from '../../src/store.js'

/** Makes an empty place; `again` opens another store on the same one. Whoever makes it closes what was opened when the test is finished. */
export type StoreFactory = () => Promise<{
  readonly store: VectorStore
  readonly again: () => Promise<VectorStore>
}>

export const signal: AbortSignal = new AbortController().signal

export const chunk = (x: number, y: number, text: string | null = null): Chunk => ({
  text,
  vector: Float32Array.of(x, y),
})
export function document(
  id: string,
  seen: number | null,
  chunks: readonly Chunk[] | null,
  contentHash = `hash of ${id}`,
): DocumentWrite {
  const joints = JSON.stringify(chunks?.slice(1).map(() => ' '))
  const content = chunks && { contentHash, joints, chunks }
  return { id, seen, sourceId: null, version: null, metadata: '{}', content }
}
export const many = (count: number, prefix = 'd') =>
  Array.from({ length: count }, (_, i) =>
    document(`${prefix}${String(i).padStart(4, '0')}`, null, [chunk(Math.cos(i / 1000), Math.sin(i / 1000))]),
  )
export const write = (store: VectorStore, documents: readonly DocumentWrite[], embedder = 'e', dim = 2) =>
  store.write({ collection: 'c', embedder, dim, chunk: null, documents }, { signal })
export const search = (store: VectorStore, x: number, y: number, k = 10) =>
  store.search({ collection: 'c', vector: Float32Array.of(x, y), k, filter: null })
export const remove = (store: VectorStore, ...ids: string[]) =>
  store.remove({ collection: 'c', which: { ids } }, 1000, { signal })
export const ids = (hits: readonly Pick<Hit, 'id'>[]) => hits.map(({ id }) => id)
export const revision = async (store: VectorStore, id: string) =>
  (await store.lookup('c', [id])).get(id)?.revision ?? null

export async function listAll(
  store: VectorStore,
  limit: number,
  rest: { sourceIds?: string[]; missingFrom?: number } = {},
) {
  const found: string[] = []
  let after: string | null = null
  do {
    const page = await store.list({ collection: 'c', after, limit, ...rest })
    expect(page.documents.length).toBeLessThanOrEqual(limit)
    found.push(...ids(page.documents))
    after = page.next
  } while (after !== null)
  return found
}

/** One store on an empty place. */
export type Open = () => Promise<VectorStore>
