import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
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
  readonly process: ChildProcess
  /** All that it said. Resolves when it is gone. */
  readonly lines: Promise<readonly Line[]>
  readonly exit: Promise<{ readonly code: number | null; readonly errors: string }>
}

const FIXTURE = fileURLToPath(new URL('./indexer.fixture.ts', import.meta.url))

/** A process that runs `payload` on `vectors.db` in the folder, killed with the test. */
export function startIndexer(
  work: {
    folder: string
    payload: unknown
    task?: string
    checkpoint?: Saved | null
    flags?: readonly string[]
  },
  onLine: (line: Line, child: ChildProcess) => void = () => {},
): Indexer {
  const path = join(work.folder, 'vectors.db')
  const input = JSON.stringify({
    path,
    root: work.folder,
    payload: work.payload,
    task: work.task,
    checkpoint: work.checkpoint ?? null,
  })
  const child = spawn(process.execPath, [...(work.flags ?? []), FIXTURE, input], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data) => (errors += String(data)))
  const lines: Line[] = []
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    lines.push(line)
    onLine(line, child)
  })
  const closed = once(child, 'close')
  return {
    process: child,
    lines: closed.then(() => lines),
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
