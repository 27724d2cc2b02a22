/** Writes one row per transaction, every millisecond, until SIGTERM; then prints how long the writes took. Argument: the SQLite file. */
import { statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import { percentile } from '../queue/machine.ts'

const path = process.argv[2] ?? ''
const db = new DatabaseSync(path, { timeout: 5_000 })
const insert = db.prepare('INSERT INTO events (at, body) VALUES (?, ?)')
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
const took: number[] = []
let maxWalBytes = 0
process.stdout.write('ready\n')
while (!stop.signal.aborted) {
  const from = performance.now()
  insert.run(Date.now(), 'y'.repeat(100))
  took.push(performance.now() - from)
  maxWalBytes = Math.max(maxWalBytes, statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0)
  await setTimeout(1)
}
db.close()
process.stdout.write(
  `${JSON.stringify({ maxMs: Math.max(...took), p99Ms: percentile(took, 0.99), maxWalBytes })}\n`,
)
