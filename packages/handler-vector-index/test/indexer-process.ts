import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { StoreInput } from '@mcp-worker/handler-vector-index'
import { onTestFinished } from 'vitest'

export interface Saved {
  readonly next: number
}
export interface Line {
  readonly progress?: number
  readonly checkpoint?: Saved
  readonly result?: Readonly<Record<string, unknown>>
  readonly maxRssBytes?: number
}

export interface Indexer {
  readonly child: ChildProcess
  /** What it has said so far. */
  readonly heard: readonly Line[]
  /** All that it said. Resolves when it is gone. */
  readonly lines: Promise<readonly Line[]>
  readonly exit: Promise<{ readonly code: number | null; readonly errors: string }>
}

interface IndexerWork {
  /** Of the documents' files. */
  readonly folder: string
  readonly payload: unknown
  /** Default: SQLite, `vectors.db` in the folder. */
  readonly store?: StoreInput
  readonly task?: string
  readonly checkpoint?: Saved | null
  readonly flags?: readonly string[]
}

const FIXTURE = fileURLToPath(new URL('./indexer.fixture.ts', import.meta.url))

/** A process that runs `payload`, killed with the test. */
export function startIndexer(
  { folder, payload, store, task, checkpoint = null, flags = [] }: IndexerWork,
  onLine: (line: Line, child: ChildProcess) => void = () => {},
): Indexer {
  const place = store ?? { engine: 'sqlite', path: join(folder, 'vectors.db') }
  const input = JSON.stringify({ store: place, root: folder, payload, task, checkpoint })
  const child = spawn(process.execPath, [...flags, FIXTURE, input], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data) => (errors += String(data)))
  const heard: Line[] = []
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    heard.push(line)
    onLine(line, child)
  })
  const closed = once(child, 'close')
  return {
    child,
    heard,
    lines: closed.then(() => heard),
    exit: closed.then(() => ({ code: child.exitCode, errors })),
  }
}

export function openForReading(folder: string): DatabaseSync {
  const db = new DatabaseSync(join(folder, 'vectors.db'), { readOnly: true, timeout: 10_000 })
  onTestFinished(() => db.close())
  return db
}

/** Rows `{ id, chunks }`. */
export const COUNT_BY_DOCUMENT = `SELECT d.id AS id, count(c.key) AS chunks FROM documents d LEFT JOIN chunks c ON c.document = d.key GROUP BY d.key`
