/** The keeper thread's entry: beats, renewals, the watchdog, and the residents of the queue drivers. */
import { writeSync } from 'node:fs'
import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { boardOf } from './board.js'
import type { BlockedTask, Resident, ResidentModule } from './resident.js'
import { fencesToRenew, lookAtLoop, type WatchdogState } from './watchdog.js'
import { createClock } from '../clock.js'
import { toWire, type WireError } from '../error-wire.js'
import { logRecord } from '../log-record.js'

/** What `createKeeper` starts this thread with. */
export interface KeeperData {
  readonly board: SharedArrayBuffer
  readonly clockOffsets: Float64Array<SharedArrayBuffer>
  readonly renewMs: number
  readonly graceMs: number
  readonly tickMs: number
  readonly logFd: number
}

export type ToKeeper =
  | {
      readonly kind: 'attach'
      readonly module: string
      readonly data: unknown
      readonly port: MessagePort
      readonly ref: number
    }
  | { readonly kind: 'close'; readonly ref: number }

export interface FromKeeper {
  readonly ref: number
  readonly error: WireError | null
}

const data = workerData as KeeperData
const main = parentPort!
const board = boardOf(data.board)
const clock = createClock(data.clockOffsets)
const residents: Resident[] = []

function log(level: 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown> = {}): void {
  try {
    writeSync(data.logFd, `${JSON.stringify(logRecord(level, event, fields))}\n`)
  } catch {
    // a full pipe that nobody reads, or a closed one: no reason to lose this thread, or to let a blocked process live
  }
}

async function attach(message: Extract<ToKeeper, { kind: 'attach' }>): Promise<void> {
  const module = (await import(message.module)) as ResidentModule
  const resident = await module.openResident({ port: message.port, data: message.data, board, clock, log })
  residents.push(resident)
}

async function close(): Promise<void> {
  clearInterval(ticking)
  for (const resident of residents.splice(0)) await resident.close()
}

main.on('message', (message: ToKeeper) => {
  const done = message.kind === 'attach' ? attach(message) : close()
  const answer = (error: WireError | null) => {
    main.postMessage({ ref: message.ref, error } satisfies FromKeeper)
    if (message.kind === 'close') main.close()
  }
  done.then(
    () => answer(null),
    (error: unknown) => answer(toWire(error, 'store_unavailable')),
  )
})

/** A store that is away may come back; a blocked process does not. */
const SETTLE_WITHIN_MS = 5000
let endingSince: number | null = null
let watch: WatchdogState = { beats: board.beats(), movedAt: clock.monotonic(), lookedAt: clock.monotonic() }
let renewedAt = clock.monotonic()

async function tick(): Promise<void> {
  const now = clock.monotonic()
  const look = lookAtLoop(board, watch, now, data.graceMs)
  watch = look.state
  if (look.blocking) await endProcess(look.blocking.fence)
  endingSince = null
  if (now - renewedAt < data.renewMs) return
  const blocked = now - watch.movedAt >= data.graceMs
  const fences = fencesToRenew(board.entries(), { blocked, now, graceMs: data.graceMs })
  if (fences.length === 0 || (await areRenewed(fences))) renewedAt = now
}

/** false: the store was away. The next tick tries again, for the leases do not wait. */
async function areRenewed(fences: readonly string[]): Promise<boolean> {
  try {
    for (const resident of residents) await resident.renew(fences)
    return true
  } catch (error) {
    log('warn', 'renew_failed', { error: String(error) })
    return false
  }
}

/**
 * The main loop is blocked past the deadline: nobody else can act. Only SIGKILL ends a process from one of its threads, and never process 1 of a
 * container: there an init process (tini) must come first, as in the Dockerfile.
 */
async function endProcess(blocking: string): Promise<never> {
  endingSince ??= clock.monotonic()
  const task = await settleBlocked(blocking).catch((error: unknown) => {
    if (clock.monotonic() - endingSince! < SETTLE_WITHIN_MS) throw error
    // the leases end, and whoever recovers the tasks takes them for suspects
    log('error', 'blocked_task_not_settled', { error: String(error) })
    return null
  })
  log('error', 'event_loop_blocked', {
    task_id: task?.taskId ?? null,
    task_type: task?.taskType ?? null,
    blocked_ms: Math.round(clock.monotonic() - watch.movedAt),
    remedy: 'an inline handler computed past its time limit: give its plugin the host "thread"',
  })
  process.kill(process.pid, 'SIGKILL')
  return new Promise<never>(() => {})
}

async function settleBlocked(blocking: string): Promise<BlockedTask | null> {
  const others = board.entries().filter(({ fence }) => fence !== blocking)
  let task: BlockedTask | null = null
  for (const resident of residents) task ??= await resident.settleBlocked(blocking, others)
  return task
}

let busy = false
const ticking = setInterval(() => {
  if (busy) return
  busy = true
  tick()
    .catch((error: unknown) => log('error', 'keeper_failed', { error: String(error) }))
    .finally(() => (busy = false))
}, data.tickMs)
