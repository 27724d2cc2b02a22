// oxlint-disable vitest/valid-title -- titles are made from the engine's name
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StoreInput, VectorStore } from '@mcp-worker/handler-vector-index'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

export interface RemotePlace {
  /** For the processes. */
  readonly options: StoreInput
  /** For the test; closed by whoever made the place. */
  readonly store: VectorStore
}

interface Line {
  readonly progress?: number
  readonly checkpoint?: { readonly next: number }
  readonly result?: Readonly<Record<string, unknown>>
}

interface Indexer {
  readonly child: ChildProcess
  readonly lines: readonly Line[]
  /** Resolves when it is gone. */
  readonly exit: Promise<{ readonly code: number | null; readonly errors: string }>
}

const FIXTURE = fileURLToPath(new URL('./indexer.fixture.ts', import.meta.url))

function startIndexer(work: {
  store: StoreInput
  root: string
  payload: unknown
  checkpoint?: unknown
  task?: string
}): Indexer {
  const input = JSON.stringify({ checkpoint: null, ...work })
  const child = spawn(process.execPath, [FIXTURE, input], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data) => (errors += String(data)))
  const lines: Line[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line) as Line))
  const exit = once(child, 'close').then(() => ({ code: child.exitCode, errors }))
  return { child, lines, exit }
}

/** What holds with processes that share the place, write over each other and are killed. `open` makes an empty place. */
export function testProcesses(engine: string, open: () => Promise<RemotePlace>): void {
  test(`${engine}: three processes upsert overlapping ids: each id once, whole, and nobody sees an error`, async () => {
    const { options, store } = await open()
    const root = await tempFolder()
    const writers = [0, 1, 2].map((writer) =>
      startIndexer({
        store: options,
        root,
        payload: { documents: overlapping(writer), batch_size: 10 },
        // of one task there is one live delivery: runs of one id would go on where the other's mark stands
        task: `task ${writer}`,
      }),
    )
    let inserted = 0
    for (const { exit, lines } of writers) {
      expect(await exit).toEqual({ code: 0, errors: '' })
      const result = lines.at(-1)?.result
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
    const root = await tempFolder()
    const lines = Array.from({ length: 100 }, (_, i) =>
      JSON.stringify({ id: `d${i}`, text: LONG.join('\n\n') + i }),
    )
    await writeFile(join(root, 'docs.jsonl'), lines.join('\n'))
    const payload = { documents_ref: 'docs.jsonl', batch_size: 10, chunk: { size: 100, overlap: 0 } }
    let checkpoint: Line['checkpoint']
    for (let round = 0; round < 3; round++) {
      const killed = startIndexer({ store: options, root, payload, checkpoint: checkpoint ?? null })
      const from = checkpoint?.next ?? 0
      while (
        !killed.lines.some((line) => (line.checkpoint?.next ?? 0) > from) &&
        killed.child.exitCode === null
      ) {
        await setImmediate()
      }
      killed.child.kill('SIGKILL')
      await killed.exit
      expect(killed.child.signalCode).toBe('SIGKILL')
      checkpoint = killed.lines.findLast((line) => line.checkpoint !== undefined)?.checkpoint ?? checkpoint
      const acknowledged = Array.from({ length: checkpoint?.next ?? 0 }, (_, i) => `d${i}`)
      const there = await store.lookup('documents', acknowledged)
      expect(acknowledged.filter((id) => !there.has(id))).toEqual([])
      expect(await chunkCounts(store)).toEqual(new Set([5]))
    }
    const last = startIndexer({ store: options, root, payload, checkpoint: checkpoint ?? null })
    expect(await last.exit).toEqual({ code: 0, errors: '' })
    expect(last.lines.at(-1)?.result).toMatchObject({ failed_count: 0, updated: 0 })
    expect(await store.describe('documents')).toMatchObject({ count: 100, chunks: 500 })
  }, 60_000)

  test(`${engine}: while a document goes from 5 chunks to 2 and back, no reader sees both versions or neither`, async () => {
    const { options, store } = await open()
    const root = await tempFolder()
    const documents = Array.from({ length: 40 }, (_, i) => ({
      id: 'a',
      text: (i % 2 === 0 ? LONG : SHORT).join('\n\n'),
    }))
    await writeFile(join(root, 'docs.json'), JSON.stringify(documents))
    const payload = { documents_ref: 'docs.json', chunk: { size: 100, overlap: 0 } }
    const writer = startIndexer({ store: options, root, payload })
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
