/**
 * Loaded with `node --import` before anything else, in the main thread and, by inheritance, in each worker thread. `CRASH_AT=before_commit:17`
 * kills the process at the 17th time that any of its threads comes to that point.
 */
import { appendFileSync } from 'node:fs'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { monotonicMs } from './monotonic.ts'

const HITS = 'mcp-worker-reliability.hits'
const [point, nth] = (process.env['CRASH_AT'] ?? ':').split(':')
const log = process.env['CRASH_LOG']
/** Held at the point before the kill, so that what was told too early is heard by the other threads. */
const holdMs = Number(process.env['CRASH_HOLD_MS'] ?? '0')

if (isMainThread) setEnvironmentData(HITS, new SharedArrayBuffer(8))
const [hits, sleeper] = [0, 4].map(
  (offset) => new Int32Array(getEnvironmentData(HITS) as SharedArrayBuffer, offset, 1),
) as [Int32Array<SharedArrayBuffer>, Int32Array<SharedArrayBuffer>]

function onPoint(name: string): void {
  if (name !== point || Atomics.add(hits, 0, 1) + 1 !== Number(nth)) return
  if (holdMs > 0) Atomics.wait(sleeper, 0, 0, holdMs)
  if (log) appendFileSync(log, `${JSON.stringify({ pid: process.pid, point, t: monotonicMs() })}\n`)
  process.kill(process.pid, 'SIGKILL')
  // the signal needs a moment to arrive; nothing may happen here until then
  for (;;) Atomics.wait(sleeper, 0, 0)
}

if (point) Object.defineProperty(globalThis, Symbol.for('mcp-worker.crash-point'), { value: onPoint })
