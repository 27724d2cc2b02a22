// oxlint-disable vitest/valid-title -- titles are made from the engine's name
import { describe, expect, test } from 'vitest'
import type {
  BuildDocument,
  Chunk,
  DocumentWrite,
  GenerationSpec,
  Hit,
  StoreCapabilities,
  VectorStore,
} from '../src/store.js'

/** Makes an empty place; `again` opens another store on the same one. Whoever makes it closes what was opened when the test is finished. */
export type StoreFactory = () => Promise<{
  readonly store: VectorStore
  readonly again: () => Promise<VectorStore>
}>

const { signal } = new AbortController()

const chunk = (x: number, y: number, text: string | null = null): Chunk => ({
  text,
  vector: Float32Array.of(x, y),
})
function document(
  id: string,
  seen: number | null,
  chunks: readonly Chunk[] | null,
  contentHash = `hash of ${id}`,
): DocumentWrite {
  const joints = JSON.stringify(chunks?.slice(1).map(() => ' '))
  const content = chunks && { contentHash, joints, chunks }
  return { id, seen, sourceId: null, version: null, metadata: '{}', content }
}
const many = (count: number, prefix = 'd') =>
  Array.from({ length: count }, (_, i) =>
    document(`${prefix}${String(i).padStart(4, '0')}`, null, [chunk(Math.cos(i / 1000), Math.sin(i / 1000))]),
  )
const write = (store: VectorStore, documents: readonly DocumentWrite[], embedder = 'e', dim = 2) =>
  store.write({ collection: 'c', embedder, dim, chunk: null, documents }, { signal })
const search = (store: VectorStore, x: number, y: number, k = 10) =>
  store.search({ collection: 'c', vector: Float32Array.of(x, y), k, filter: null })
const remove = (store: VectorStore, ...ids: string[]) =>
  store.remove({ collection: 'c', which: { ids } }, 1000, { signal })
const ids = (hits: readonly Pick<Hit, 'id'>[]) => hits.map(({ id }) => id)
const revision = async (store: VectorStore, id: string) =>
  (await store.lookup('c', [id])).get(id)?.revision ?? null

async function listAll(
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

/** What every engine behind the port must do. What it cannot do is said by its capabilities; those tests are skipped by name. */
export function testVectorStore(engine: string, open: StoreFactory, capabilities: StoreCapabilities): void {
  const fresh = async () => (await open()).store
  describe(`${engine}: the port`, () => {
    test('its capabilities are those that the suite was told', async () => {
      expect((await fresh()).capabilities).toEqual(capabilities)
    })
    testWrites(fresh, capabilities)
    testDeletes(fresh)
    testReads(fresh, capabilities)
    testFilters(fresh)
    testMarks(fresh, capabilities)
    testGenerations(open, capabilities)
    testUpkeep(fresh, capabilities)
    test('what one store wrote another one on the same place sees, also after the first is closed', async () => {
      const { store, again } = await open()
      await write(store, [document('a', null, [chunk(0.6, 0.8, 'kept')])])
      const second = await again()
      expect(await search(second, 0.6, 0.8)).toMatchObject([
        { id: 'a', text: 'kept', score: expect.closeTo(1) },
      ])
      await remove(second, 'a')
      expect(await search(store, 0.6, 0.8)).toEqual([])
    })
  })
}

type Open = () => Promise<VectorStore>

function testWrites(open: Open, { staleness, transaction }: StoreCapabilities): void {
  test('the first write makes the collection', async () => {
    const store = await open()
    expect(await store.describe('c')).toBeNull()
    const size = { size: 200, overlap: 20 }
    const documents = [document('a', null, [chunk(1, 0), chunk(0, 1)])]
    await store.write({ collection: 'c', embedder: 'e', dim: 2, chunk: size, documents }, { signal })
    const expected = { name: 'c', dim: 2, embedder: 'e', chunk: size, generation: 1, count: 1, chunks: 2 }
    expect(await store.describe('c')).toEqual(expected)
    expect(await store.collections()).toEqual([expected])
  })

  test('a document is found by its best chunk, once', async () => {
    const store = await open()
    await write(store, [
      document('a', null, [chunk(1, 0, 'east'), chunk(0, 1, 'north')]),
      document('b', null, [chunk(0.6, 0.8, 'north east')]),
    ])
    const hits = await search(store, 0, 1)
    expect(hits.map(({ id, text }) => [id, text])).toEqual([
      ['a', 'north'],
      ['b', 'north east'],
    ])
    expect(hits.map(({ score }) => score)).toEqual([expect.closeTo(1), expect.closeTo(0.8)])
  })

  test('a revision that is not current any more is stale and changes nothing', async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    const seen = await revision(store, 'a')
    expect(await write(store, [document('a', seen, [chunk(0, 1)])])).toEqual({ stale: new Set() })
    const answer = await write(store, [
      document('a', seen, [chunk(-1, 0)]),
      document('b', null, [chunk(1, 0)]),
    ])
    expect(answer.stale).toEqual(new Set(['a']))
    expect((await write(store, [document('a', null, [chunk(-1, 0)])])).stale).toEqual(new Set(['a']))
    expect((await search(store, -1, 0, 1))[0]?.score).toBeCloseTo(0)
    expect((await store.describe('c'))?.count).toBe(2)
  })

  test.skipIf(staleness === 'likely')(
    'of writers that saw the same revision exactly one gets through',
    async () => {
      const store = await open()
      await write(store, [document('a', null, [chunk(1, 0)])])
      const seen = await revision(store, 'a')
      const answers = await Promise.all(
        [0, 1, 2, 3].map((i) => write(store, [document('a', seen, [chunk(1, i)])])),
      )
      expect(answers.filter(({ stale }) => stale.size === 0)).toHaveLength(1)
    },
  )

  test('a document that gets fewer chunks leaves exactly those', async () => {
    const store = await open()
    const five = Array.from({ length: 5 }, (_, i) => chunk(1, 0, `old ${i}`))
    await write(store, [document('a', null, five)])
    await write(store, [
      document('a', await revision(store, 'a'), [chunk(0, 1, 'new 0'), chunk(0, 1, 'new 1')]),
    ])
    const stored = (await store.read('c', ['a'])).get('a')
    expect(stored?.chunks.map(({ text }) => text)).toEqual(['new 0', 'new 1'])
    expect(await store.describe('c')).toMatchObject({ count: 1, chunks: 2 })
    expect((await search(store, 1, 0))[0]?.score).toBeCloseTo(0)
  })

  test('a revision is never used again, not after a delete and not after a drop', async () => {
    const store = await open()
    const revisions: (number | null)[] = []
    for (let round = 0; round < 4; round++) {
      await write(store, [document('a', null, [chunk(1, 0)])])
      revisions.push(await revision(store, 'a'))
      if (round % 2 === 0) await remove(store, 'a')
      else await store.drop('c', { signal })
    }
    expect(new Set(revisions).size).toBe(4)
  })

  test('a batch of another embedder or dimension is stale as a whole', async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    for (const [embedder, dim] of [
      ['other', 2],
      ['e', 3],
    ] as const) {
      const answer = await write(store, [document('b', null, [chunk(1, 0)])], embedder, dim)
      expect(answer.stale).toEqual(new Set(['b']))
    }
    expect((await store.describe('c'))?.count).toBe(1)
  })

  test('without content a write changes the rest and keeps the content', async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0, 'kept')])])
    const seen = await revision(store, 'a')
    await write(store, [{ ...document('a', seen, null), metadata: '{"n":1}', sourceId: 's', version: 7 }])
    expect((await store.lookup('c', ['a'])).get('a')).toMatchObject({
      sourceId: 's',
      version: 7,
      metadata: '{"n":1}',
      contentHash: 'hash of a',
    })
    expect(await revision(store, 'a')).not.toBe(seen)
    expect(await search(store, 1, 0)).toMatchObject([{ id: 'a', text: 'kept', metadata: '{"n":1}' }])
  })

  test.skipIf(transaction === 'document')('a reader sees all of a batch or nothing of it', async () => {
    const { store, again } = { store: await open(), again: 20 }
    const counts: number[] = []
    let isWriting = true
    const reading = (async () => {
      while (isWriting) counts.push((await store.describe('c'))?.count ?? 0)
    })()
    for (let batch = 0; batch < again; batch++) await write(store, many(50, `b${batch}-`))
    isWriting = false
    await reading
    expect(counts.filter((count) => count % 50 !== 0)).toEqual([])
  })

  test('a signal that was aborted before the call changes nothing', async () => {
    const store = await open()
    const aborted = AbortSignal.abort(new Error('cancelled'))
    const batch = { collection: 'c', embedder: 'e', dim: 2, chunk: null, documents: many(1) }
    await expect(store.write(batch, { signal: aborted })).rejects.toThrow('cancelled')
    expect(await store.describe('c')).toBeNull()
  })
}

function testDeletes(open: Open): void {
  test('deleted is never found again', async () => {
    const store = await open()
    await write(store, many(20))
    await search(store, 1, 0)
    expect(await remove(store, 'd0003', 'd0007', 'none')).toEqual({ documents: 2, chunks: 2 })
    const left = ids(await search(store, 1, 0, 100))
    expect(left).toHaveLength(18)
    expect(left).not.toContain('d0003')
    expect(left).not.toContain('d0007')
    expect((await store.describe('c'))?.count).toBe(18)
    expect((await store.lookup('c', ['d0003', 'd0004'])).size).toBe(1)
  })

  test('a limit bounds each delete', async () => {
    const store = await open()
    await write(store, many(5))
    const target = { collection: 'c', which: { all: true } } as const
    expect(await store.countTargets(target)).toBe(5)
    expect((await store.remove(target, 3, { signal })).documents).toBe(3)
    expect((await store.remove(target, 3, { signal })).documents).toBe(2)
    expect((await store.remove(target, 3, { signal })).documents).toBe(0)
  })

  test('a delete by source takes all of the source and nothing else', async () => {
    const store = await open()
    const sources = many(9).map((one, i) => ({ ...one, sourceId: `s${i % 3}` }))
    await write(store, sources)
    const target = { collection: 'c', which: { sourceIds: ['s1', 'none'] } }
    expect(await store.countTargets(target)).toBe(3)
    expect((await store.remove(target, 100, { signal })).documents).toBe(3)
    expect(await listAll(store, 100, { sourceIds: ['s1'] })).toEqual([])
    expect(await listAll(store, 100)).toHaveLength(6)
  })

  test('a collection that was dropped is gone for everybody, and can be made anew', async () => {
    const store = await open()
    await write(store, many(3))
    expect(await store.drop('c', { signal })).toEqual({ documents: 3, chunks: 3 })
    expect(await store.drop('c', { signal })).toEqual({ documents: 0, chunks: 0 })
    expect(await store.describe('c')).toBeNull()
    expect(await store.collections()).toEqual([])
    expect((await store.lookup('c', ['d0000'])).size).toBe(0)
    await expect(search(store, 1, 0)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
    await write(store, [document('x', null, [chunk(1, 0)])], 'other')
    expect(await store.describe('c')).toMatchObject({ count: 1, embedder: 'other', generation: 2 })
    expect(ids(await search(store, 1, 0))).toEqual(['x'])
  })

  test('collections do not see each other', async () => {
    const store = await open()
    await write(store, [document('a', null, [chunk(1, 0)])])
    const documents = [document('a', null, [chunk(0, 1)])]
    await store.write({ collection: 'd', embedder: 'e', dim: 2, chunk: null, documents }, { signal })
    await store.remove({ collection: 'd', which: { all: true } }, 10, { signal })
    expect(ids(await search(store, 1, 0))).toEqual(['a'])
    expect((await store.describe('d'))?.count).toBe(0)
  })
}

function testReads(open: Open, { exactVectors }: StoreCapabilities): void {
  test('what is read is what was written', async () => {
    const store = await open()
    const written = {
      ...document('a', null, [chunk(0.6, 0.8, 'one'), chunk(0, 1, 'two')]),
      sourceId: 's',
      version: 3,
    }
    await write(store, [written, document('v', null, [chunk(0.28, 0.96)])])
    const read = await store.read('c', ['a', 'v', 'none'])
    expect([...read.keys()].toSorted()).toEqual(['a', 'v'])
    expect(read.get('a')).toMatchObject({
      sourceId: 's',
      version: 3,
      metadata: '{}',
      joints: '[" "]',
      intact: true,
    })
    expect(read.get('a')?.contentHash).toBe('hash of a')
    const vectors = read.get('a')?.chunks.map(({ vector }) => [...vector])
    const given = written.content?.chunks.map(({ vector }) => [...vector])
    if (exactVectors) expect(vectors).toEqual(given)
    else expect(vectors).toEqual(given?.map((vector) => vector.map((x) => expect.closeTo(x, 3))))
    expect(read.get('v')?.chunks[0]?.text).toBeNull()
  })

  test('a list gives each document once over its pages, with its source, revision and hash', async () => {
    const store = await open()
    const documents = many(57).map((one, i) => ({ ...one, sourceId: i % 2 === 0 ? 'even' : null }))
    await write(store, documents)
    for (const limit of [1, 10, 57, 58]) {
      expect((await listAll(store, limit)).toSorted()).toEqual(documents.map(({ id }) => id))
    }
    expect(await listAll(store, 10, { sourceIds: ['even'] })).toHaveLength(29)
    const [first] = (await store.list({ collection: 'c', after: null, limit: 100, sourceIds: ['even'] }))
      .documents
    expect(first).toEqual({
      id: first?.id,
      sourceId: 'even',
      revision: await revision(store, first?.id ?? ''),
      contentHash: `hash of ${first?.id}`,
      chunks: 1,
    })
    expect(await store.list({ collection: 'none', after: null, limit: 5 })).toEqual({
      documents: [],
      next: null,
    })
  })

  test('deletes between the pages of a list make it skip nothing that stays', async () => {
    const store = await open()
    await write(store, many(40))
    const first = await store.list({ collection: 'c', after: null, limit: 10 })
    await remove(store, ...ids(first.documents))
    const rest: string[] = []
    let { next } = first
    while (next !== null) {
      const page = await store.list({ collection: 'c', after: next, limit: 10 })
      rest.push(...ids(page.documents))
      next = page.next
    }
    expect([...ids(first.documents), ...rest].toSorted()).toEqual(many(40).map(({ id }) => id))
  })

  test('a collection that does not exist, or has another dimension, is a permanent fault of the search', async () => {
    const store = await open()
    await expect(search(store, 1, 0)).rejects.toMatchObject({ code: 'COLLECTION_NOT_FOUND' })
    await write(store, [document('a', null, [chunk(1, 0)])])
    const wrong = store.search({ collection: 'c', vector: Float32Array.of(1, 0, 0), k: 1, filter: null })
    await expect(wrong).rejects.toMatchObject({ name: 'NonRetryableError', code: 'DIM_MISMATCH' })
  })
}

function testFilters(open: Open): void {
  test('a filter keeps types apart, takes any key, and null matches a missing key', async () => {
    const store = await open()
    const metadata = [
      { n: 1 },
      { n: '1' },
      { n: true },
      { n: null },
      {},
      { 'a"b.$[0]': 'x', n: 2.5 },
      { n: [1] },
    ]
    await write(
      store,
      metadata.map((value, i) => ({
        ...document(`d${i}`, null, [chunk(1, i)]),
        metadata: JSON.stringify(value),
      })),
    )
    const matching = async (filter: NonNullable<Parameters<VectorStore['search']>[0]['filter']>) =>
      ids(await store.search({ collection: 'c', vector: Float32Array.of(1, 0), k: 10, filter })).toSorted()
    expect(await matching({ n: 1 })).toEqual(['d0'])
    expect(await matching({ n: '1' })).toEqual(['d1'])
    expect(await matching({ n: true })).toEqual(['d2'])
    expect(await matching({ n: false })).toEqual([])
    expect(await matching({ n: null })).toEqual(['d3', 'd4'])
    expect(await matching({ n: { in: [1, '1', 2.5] } })).toEqual(['d0', 'd1', 'd5'])
    expect(await matching({ 'a"b.$[0]': 'x', n: 2.5 })).toEqual(['d5'])
    expect(await matching({ 'a"b.$[0]': 'x', n: 1 })).toEqual([])
    expect(await matching({ "x' OR 1=1 --": 'y' })).toEqual([])
    expect(await matching({})).toHaveLength(7)
    await store.remove({ collection: 'c', which: { filter: { n: { in: [1, null] } } } }, 100, { signal })
    expect(await matching({})).toEqual(['d1', 'd2', 'd5', 'd6'])
  })
}

function testMarks(open: Open, { marks }: StoreCapabilities): void {
  test('a task without a mark has none, and one can be taken away that is not there', async () => {
    const store = await open()
    expect(await store.readMark('t')).toBeNull()
    await store.dropMark('t')
  })

  test.skipIf(!marks)('a mark is stored with the effect that it tells of, and not without it', async () => {
    const store = await open()
    const batch = { collection: 'c', embedder: 'e', dim: 2, chunk: null, documents: many(2) }
    const tell = (answer: { readonly stale: ReadonlySet<string> }) => `stale: ${[...answer.stale].join()}`
    await store.write(batch, { signal, mark: { task: 't', value: tell } })
    expect(await store.readMark('t')).toBe('stale: ')
    await store.write(batch, { signal, mark: { task: 't', value: tell } })
    expect(await store.readMark('t')).toBe('stale: d0000,d0001')
    const fails = () => {
      throw new Error('no mark')
    }
    const third = { ...batch, documents: many(1, 'x') }
    await expect(store.write(third, { signal, mark: { task: 't', value: fails } })).rejects.toThrow('no mark')
    expect((await store.describe('c'))?.count).toBe(2)
    const removed = { task: 'u', value: ({ documents }: { documents: number }) => String(documents) }
    await store.remove({ collection: 'c', which: { all: true } }, 1, { signal, mark: removed })
    expect(await store.readMark('u')).toBe('1')
    await store.drop('c', { signal, mark: removed })
    expect(await store.readMark('u')).toBe('1')
    await store.dropMark('t')
    expect(await store.readMark('t')).toBeNull()
  })
}

const SPEC: GenerationSpec = { collection: 'c', embedder: 'new', dim: 3, chunk: { size: 500, overlap: 0 } }

async function copiesOf(store: VectorStore, names: readonly string[]): Promise<BuildDocument[]> {
  const stored = await store.lookup('c', names)
  return [...stored].map(([id, { revision: seen }]) => ({
    id,
    seen,
    contentHash: `new hash of ${id}`,
    joints: '[]',
    chunks: [{ text: `new ${id}`, vector: Float32Array.of(0, 0, 1) }],
  }))
}

async function fillBuild(store: VectorStore, generation: number): Promise<number> {
  const missing = await listAll(store, 1000, { missingFrom: generation })
  const documents = await copiesOf(store, missing)
  if (documents.length > 0) await store.writeBuild({ collection: 'c', generation, documents }, { signal })
  return missing.length
}

function testGenerations(open: StoreFactory, { bareDocuments, staleness }: StoreCapabilities): void {
  const fresh = async () => (await open()).store

  test('a generation is built beside the one that is searched, swapped at once, and the old one is purged', async () => {
    const store = await fresh()
    await write(store, [
      { ...document('a', null, [chunk(1, 0, 'old')]), sourceId: 's', version: 2, metadata: '{"n":1}' },
    ])
    const seen = await revision(store, 'a')
    const { generation, count } = await store.build(SPEC, { signal })
    expect([generation, count]).toEqual([2, 0])
    expect(await store.promote('c', generation, { signal })).toBe('incomplete')
    expect(await fillBuild(store, generation)).toBe(1)
    expect(await search(store, 1, 0)).toMatchObject([{ id: 'a', text: 'old' }])
    expect(await store.describe('c')).toMatchObject({ generation: 1, embedder: 'e', dim: 2 })
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect(await store.describe('c')).toEqual({
      ...SPEC,
      collection: undefined,
      name: 'c',
      generation: 2,
      count: 1,
      chunks: 1,
    })
    const hits = await store.search({
      collection: 'c',
      vector: Float32Array.of(0, 0, 1),
      k: 1,
      filter: { n: 1 },
    })
    expect(hits).toMatchObject([{ id: 'a', text: 'new a', metadata: '{"n":1}' }])
    const stored = { sourceId: 's', version: 2, revision: seen, contentHash: 'new hash of a' }
    expect((await store.lookup('c', ['a'])).get('a')).toMatchObject(stored)
    while ((await store.purge(10, { signal })) > 0);
    expect(await store.inspect('c', { signal })).toEqual([])
    expect(await listAll(store, 10)).toEqual(['a'])
  })

  test('a build goes on where its spec is the same, and gives way to one with another', async () => {
    const store = await fresh()
    await write(store, many(4))
    await expect(store.build({ ...SPEC, collection: 'none' }, { signal })).rejects.toMatchObject({
      name: 'NonRetryableError',
      code: 'COLLECTION_NOT_FOUND',
    })
    const first = await store.build(SPEC, { signal })
    await store.writeBuild(
      { collection: 'c', generation: first.generation, documents: await copiesOf(store, ['d0001']) },
      { signal },
    )
    expect(await store.build(SPEC, { signal })).toEqual({ generation: first.generation, count: 1 })
    expect((await listAll(store, 2, { missingFrom: first.generation })).toSorted()).toEqual([
      'd0000',
      'd0002',
      'd0003',
    ])
    const second = await store.build({ ...SPEC, embedder: 'newer' }, { signal })
    expect(second.generation).not.toBe(first.generation)
    const late = {
      collection: 'c',
      generation: first.generation,
      documents: await copiesOf(store, ['d0002']),
    }
    expect(await store.writeBuild(late, { signal })).toMatchObject({ gone: true })
    expect(await store.promote('c', first.generation, { signal })).toBe('gone')
    expect((await store.build({ ...SPEC, embedder: 'newer' }, { signal })).count).toBe(0)
  })

  test('what is written, touched or deleted while a generation is built is not swapped away', async () => {
    const { store, again } = await open()
    const writer = await again()
    await write(store, many(5))
    const { generation } = await store.build(SPEC, { signal })
    expect(await fillBuild(store, generation)).toBe(5)
    await write(writer, [
      document('d0000', await revision(writer, 'd0000'), [chunk(0, 1, 'changed')]),
      { ...document('d0001', await revision(writer, 'd0001'), null), metadata: '{"touched":true}' },
      document('added', null, [chunk(0, 1)]),
    ])
    await remove(writer, 'd0002')
    expect(await store.promote('c', generation, { signal })).toBe('incomplete')
    expect((await listAll(store, 100, { missingFrom: generation })).toSorted()).toEqual([
      'added',
      'd0000',
      'd0001',
    ])
    expect(await fillBuild(store, generation)).toBe(3)
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect((await listAll(store, 100)).toSorted()).toEqual(['added', 'd0000', 'd0001', 'd0003', 'd0004'])
    expect((await store.lookup('c', ['d0001'])).get('d0001')?.metadata).toBe('{"touched":true}')
    expect(await store.inspect('c', { signal })).toEqual([])
  })

  test('a copy of a revision that is not current any more is stale and not kept', async () => {
    const store = await fresh()
    await write(store, many(2))
    const { generation } = await store.build(SPEC, { signal })
    const documents = await copiesOf(store, ['d0000', 'd0001'])
    await write(store, [document('d0000', await revision(store, 'd0000'), [chunk(0, 1)])])
    const answer = await store.writeBuild({ collection: 'c', generation, documents }, { signal })
    expect(answer).toEqual({ stale: new Set(['d0000']), gone: false })
    expect(await store.promote('c', generation, { signal })).toBe('incomplete')
  })

  test('a writer that looked a document up before the swap may write it after', async () => {
    const store = await fresh()
    await write(store, many(1))
    const seen = await revision(store, 'd0000')
    const { generation } = await store.build({ ...SPEC, embedder: 'e', dim: 2 }, { signal })
    const documents = (await copiesOf(store, ['d0000'])).map((one) => ({ ...one, chunks: [chunk(0, 1)] }))
    await store.writeBuild({ collection: 'c', generation, documents }, { signal })
    expect(await store.promote('c', generation, { signal })).toBe('promoted')
    expect(await write(store, [document('d0000', seen, [chunk(1, 0, 'after')])])).toEqual({
      stale: new Set(),
    })
    expect((await search(store, 1, 0))[0]?.text).toBe('after')
  })

  test.skipIf(!bareDocuments)(
    'a document may be kept without a chunk: it is there and never found',
    async () => {
      const store = await fresh()
      await write(store, many(2))
      const { generation } = await store.build(SPEC, { signal })
      const [bare, whole] = await copiesOf(store, ['d0000', 'd0001'])
      if (bare === undefined || whole === undefined) throw new Error('expected two documents')
      const documents = [{ ...bare, contentHash: '', joints: null, chunks: [] }, whole]
      await store.writeBuild({ collection: 'c', generation, documents }, { signal })
      expect(await store.promote('c', generation, { signal })).toBe('promoted')
      expect(await store.describe('c')).toMatchObject({ count: 2, chunks: 1 })
      const hits = await store.search({
        collection: 'c',
        vector: Float32Array.of(0, 0, 1),
        k: 9,
        filter: null,
      })
      expect(ids(hits)).toEqual(['d0001'])
    },
  )

  test.skipIf(staleness === 'likely')(
    'a swap among writers loses no document and keeps no deleted one',
    async () => {
      const { store, again } = await open()
      const writer = await again()
      await write(store, many(30))
      const { generation } = await store.build({ ...SPEC, embedder: 'e', dim: 2 }, { signal })
      const build = async () => {
        for (;;) {
          const missing = await listAll(store, 7, { missingFrom: generation })
          const copies = await copiesOf(store, missing)
          const documents = copies.map((one) => ({ ...one, chunks: [chunk(0, 1)] }))
          if (documents.length > 0)
            await store.writeBuild({ collection: 'c', generation, documents }, { signal })
          if ((await store.promote('c', generation, { signal })) === 'promoted') return
        }
      }
      const change = async () => {
        for (let i = 0; i < 30; i++) {
          await write(writer, [document(`w${i}`, null, [chunk(1, 0)])])
          await remove(writer, `d${String(i).padStart(4, '0')}`)
        }
      }
      await Promise.all([build(), change()])
      expect((await listAll(store, 100)).toSorted()).toEqual(
        Array.from({ length: 30 }, (_, i) => `w${i}`).toSorted(),
      )
      expect(await store.inspect('c', { signal })).toEqual([])
    },
  )
}

function testUpkeep(open: Open, { search: kind }: StoreCapabilities): void {
  test('what was dropped is purged to the last row, and space is given back in slices', async () => {
    const store = await open()
    await write(store, many(100))
    await store.drop('c', { signal })
    let slices = 0
    while ((await store.purge(30, { signal })) > 0) slices++
    expect(slices).toBeGreaterThan(0)
    expect(await store.purge(30, { signal })).toBe(0)
    while ((await store.optimize({ signal })).left > 0);
    const size = await store.size()
    expect(size === null || size >= 0).toBe(true)
  })

  test('nothing is wrong with a sound collection', async () => {
    const store = await open()
    await write(store, many(30))
    await remove(store, 'd0001')
    expect(await store.inspect('c', { signal })).toEqual([])
  })

  test(`the recall of a search that is ${kind} is ${kind === 'exact' ? 'not sampled' : 'a sampled share'}`, async () => {
    const store = await open()
    await write(store, many(200))
    const recall = await store.sampleRecall('c', { vectors: 20, k: 10 }, { signal })
    if (kind === 'exact') expect(recall).toBeNull()
    else {
      expect(recall).toBeGreaterThan(0.5)
      expect(recall).toBeLessThanOrEqual(1)
    }
  })

  test('a ping resolves', async () => {
    await expect((await open()).ping(signal)).resolves.toBeUndefined()
  })
}
