// oxlint-disable vitest/valid-title -- titles are made from the engine's name
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { StoreInput, VectorStore } from '@mcp-worker/handler-vector-index'
import { expect, test } from 'vitest'
import { type Saved, startIndexer } from './indexer-process.js'
import { tempFolder } from './temp-folder.js'

export interface RemotePlace {
  /** For the processes. */
  readonly options: StoreInput
  /** For the test; closed by whoever made the place. */
  readonly store: VectorStore
}

/** What holds with processes that share the place, write over each other and are killed. `open` makes an empty place. */
export function testProcesses(engine: string, open: () => Promise<RemotePlace>): void {
  test(`${engine}: three processes upsert overlapping ids: each id once, whole, and nobody sees an error`, async () => {
    const { options, store } = await open()
    const folder = await tempFolder()
    const writers = [0, 1, 2].map((writer) =>
      startIndexer({
        store: options,
        folder,
        payload: { documents: overlapping(writer), batch_size: 10 },
        // of one task there is one live delivery: runs of one id would go on where the other's mark stands
        task: `task ${writer}`,
      }),
    )
    let inserted = 0
    for (const { exit, heard } of writers) {
      expect(await exit).toEqual({ code: 0, errors: '' })
      const result = heard.at(-1)?.result
      expect(result).toMatchObject({ failed_count: 0 })
      inserted += Number(result?.['inserted'])
    }
    expect(inserted).toBe(400)
    expect(await store.describe('documents')).toMatchObject({ count: 400, chunks: 400 })
    const ids = await listIds(store)
    expect(ids).toHaveLength(400)
    expect(new Set(ids).size).toBe(400)
  }, 60_000)

  test(`${engine}: kill -9 in the middle: what was acknowledged is there, no document is torn, and the retry ends exact`, async () => {
    const { options, store } = await open()
    const folder = await tempFolder()
    const lines = Array.from({ length: 100 }, (_, i) =>
      JSON.stringify({ id: `d${i}`, text: LONG.join('\n\n') + i }),
    )
    await writeFile(join(folder, 'docs.jsonl'), lines.join('\n'))
    const payload = { documents_ref: 'docs.jsonl', batch_size: 10, chunk: { size: 100, overlap: 0 } }
    let checkpoint: Saved | null = null
    for (let round = 0; round < 3; round++) {
      const killed = startIndexer({ store: options, folder, payload, checkpoint })
      const from = checkpoint?.next ?? 0
      while (
        !killed.heard.some((line) => (line.checkpoint?.next ?? 0) > from) &&
        killed.child.exitCode === null
      ) {
        await setImmediate()
      }
      killed.child.kill('SIGKILL')
      await killed.exit
      expect(killed.child.signalCode).toBe('SIGKILL')
      checkpoint = killed.heard.findLast((line) => line.checkpoint !== undefined)?.checkpoint ?? checkpoint
      const acknowledged = Array.from({ length: checkpoint?.next ?? 0 }, (_, i) => `d${i}`)
      const there = await store.lookup('documents', acknowledged)
      expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
      expect(await chunkCounts(store)).toEqual(new Set([5]))
    }
    const last = startIndexer({ store: options, folder, payload, checkpoint })
    expect(await last.exit).toEqual({ code: 0, errors: '' })
    expect(last.heard.at(-1)?.result).toMatchObject({ failed_count: 0, updated: 0 })
    expect(await store.describe('documents')).toMatchObject({ count: 100, chunks: 500 })
  }, 60_000)

  test(`${engine}: while a document goes from 5 chunks to 2 and back, no reader sees both versions or neither`, async () => {
    const { options, store } = await open()
    const folder = await tempFolder()
    const documents = Array.from({ length: 40 }, (_, i) => ({
      id: 'a',
      text: (i % 2 === 0 ? LONG : SHORT).join('\n\n'),
    }))
    await writeFile(join(folder, 'docs.json'), JSON.stringify(documents))
    const payload = { documents_ref: 'docs.json', chunk: { size: 100, overlap: 0 } }
    const writer = startIndexer({ store: options, folder, payload })
    while (writer.child.exitCode === null && (await store.lookup('documents', ['a'])).size === 0)
      await setImmediate()
    const seen = new Set<string>()
    const found = new Set<number>()
    const { dim = 0 } = (await store.describe('documents')) ?? {}
    const vector = new Float32Array(dim).fill(dim ** -0.5)
    while (writer.child.exitCode === null) {
      const content = (await store.read('documents', ['a'])).get('a')
      seen.add(JSON.stringify(content?.chunks.map(({ text }) => text)))
      const hits = await store.search({ collection: 'documents', vector, k: 10, filter: null })
      found.add(hits.length)
    }
    expect(await writer.exit).toEqual({ code: 0, errors: '' })
    expect([...found]).toEqual([1])
    expect(
      [...seen].filter((state) => ![JSON.stringify(LONG), JSON.stringify(SHORT)].includes(state)),
    ).toEqual([])
    expect(seen.size).toBe(2)
  }, 60_000)
}

/** 200 documents of which 100 have the ids of the next writer's, with other texts. */
function overlapping(writer: number): unknown[] {
  return Array.from({ length: 200 }, (_, i) => ({
    id: `d${writer * 100 + i}`,
    text: `words of ${writer} about ${i}`,
  }))
}

/** Paragraphs that make a chunk each. */
function version(name: string, chunks: number): string[] {
  return Array.from({ length: chunks }, (_, i) => `${name} chunk ${i} `.repeat(10).slice(0, 90).trim())
}

const LONG = version('long', 5)
const SHORT = version('short', 2)

async function listPages(store: VectorStore) {
  const documents = []
  for (let after: string | null = null; ;) {
    const page = await store.list({ collection: 'documents', after, limit: 500 })
    documents.push(...page.documents)
    if (page.next === null) return documents
    after = page.next
  }
}

async function listIds(store: VectorStore): Promise<readonly string[]> {
  return (await listPages(store)).map(({ id }) => id)
}

async function chunkCounts(store: VectorStore): Promise<ReadonlySet<number>> {
  return new Set((await listPages(store)).map(({ chunks }) => chunks))
}
