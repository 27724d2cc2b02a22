/**
 * Another program that writes to the database all the time: one row per transaction. Argument: the file. Ends at SIGTERM with one JSON line:
 * `{ written, failed, maxMs, p99Ms, maxWalBytes }`.
 */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'

const path = process.argv[2] ?? ''
const db = new DatabaseSync(path, { timeout: 2_000 })
const insert = db.prepare('INSERT INTO events (at, body) VALUES (?, ?)')
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const took: number[] = []
const seen = { written: 0, failed: 0, maxWalBytes: 0 }
process.stdout.write('ready\n')
while (!stop.signal.aborted) {
  const from = performance.now()
  try {
    insert.run(Date.now(), 'y'.repeat(100))
    seen.written += 1
  } catch {
    seen.failed += 1
  }
  took.push(performance.now() - from)
  seen.maxWalBytes = Math.max(seen.maxWalBytes, statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  await setTimeout(1)
}
db.close()
const sorted = took.toSorted((a, b) => a - b)
const times = { maxMs: sorted.at(-1), p99Ms: sorted[Math.floor(sorted.length * 0.99)] }
process.stdout.write(`${JSON.stringify({ ...seen, ...times })}\n`)
