import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import { createBoard, type Board } from './board.js'
import type { FromKeeper, KeeperData, ToKeeper } from './thread.js'
import type { Clock } from '../clock.js'
import { fromWire } from '../error-wire.js'

/**
 * The keeper: the runtime's one helper thread. It renews leases and watches the main loop, so that both go on while a handler blocks it. A queue
 * driver may put a part of itself there (`attach`).
 */
export interface Keeper {
  readonly board: Board
  /** Imports `module` in the keeper thread and calls its `openResident`. Answers the driver's own line to it; rejects with what the resident says. */
  attach(module: URL, data: unknown): Promise<MessagePort>
  /** Ends residents and thread; by the deadline the thread is terminated. 0: at once, as if the process had died. */
  close(options: { readonly deadlineMs: number }): Promise<void>
}

export interface KeeperOptions {
  readonly clock: Clock
  readonly leaseMs: number
  /** From a deadline to the watchdog's end. */
  readonly graceMs: number
  /** Deliveries that may be in hand at once. Default 1,024. */
  readonly slots?: number
  /** Called when the thread dies unasked: leases can no longer be renewed, the process must end. */
  readonly onDeath: (error: Error) => void
}

const BEAT_MS = 50
const TICK_MS = 50

export function createKeeper(options: KeeperOptions): Keeper {
  const board = createBoard(options.slots ?? 1024)
  const data: KeeperData = {
    board: board.memory,
    clockOffsets: options.clock.offsets,
    renewMs: options.leaseMs / 3,
    graceMs: options.graceMs,
    tickMs: TICK_MS,
    logFd: 1,
  }
  const thread = new Worker(new URL('./thread.js', import.meta.url), {
    workerData: data,
    name: 'keeper',
    // what it makes lives for one transaction: a larger young generation only holds more of it
    resourceLimits: { maxYoungGenerationSizeMb: 24 },
  })
  const beating = setInterval(() => board.beat(), BEAT_MS)
  beating.unref()
  thread.unref()
  const calls = createCalls(thread, options.onDeath)

  return {
    board,
    async attach(module, residentData) {
      const { port1, port2 } = new MessageChannel()
      port1.unref()
      await calls.post(
        (ref) => ({ kind: 'attach', module: module.href, data: residentData, port: port2, ref }),
        [port2],
      )
      return port1
    },
    async close({ deadlineMs }) {
      clearInterval(beating)
      calls.expectEnd()
      if (deadlineMs > 0)
        await inTime(
          calls.post((ref) => ({ kind: 'close', ref })),
          deadlineMs,
        )
      await thread.terminate()
    },
  }
}

async function inTime(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}

/** Questions to the thread, each answered once, all rejected when it dies. */
function createCalls(thread: Worker, onDeath: (error: Error) => void) {
  const open = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>()
  let last = 0
  let ended: Error | null = null
  let expected = false

  const die = (error: Error) => {
    if (ended) return
    ended = error
    for (const call of open.values()) call.reject(error)
    open.clear()
    if (!expected) onDeath(error)
  }
  thread.on('message', ({ ref, error }: FromKeeper) => {
    const call = open.get(ref)
    open.delete(ref)
    if (open.size === 0) thread.unref()
    if (error === null) call?.resolve()
    else call?.reject(fromWire(error))
  })
  thread.on('error', (error) => die(error instanceof Error ? error : new Error(String(error))))
  thread.on('exit', (code) => die(new Error(`the keeper thread ended (${code})`)))

  return {
    post: (make: (ref: number) => ToKeeper, transfer: MessagePort[] = []) =>
      new Promise<void>((resolve, reject) => {
        if (ended) return reject(ended)
        const ref = ++last
        open.set(ref, { resolve, reject })
        thread.ref()
        thread.postMessage(make(ref), transfer)
      }),
    expectEnd: () => {
      expected = true
    },
  }
}
