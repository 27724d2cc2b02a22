import { resolve } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { fromWire, toWire } from '../error-wire.js'
import { WorkerError } from '../errors.js'
import type { Claim, Capabilities, QueueContext, QueueDriver, Retention, Wake } from '../queue.js'
import { newOwnerName } from './boot.js'
import { claimOf, type ClaimedRows } from './claimed-row.js'
import type { Answer, FromResident, Op, OpName, ResidentData } from './messages.js'
import type { SqliteDurability } from './schema.js'

export interface SqliteQueueOptions {
  /** The queue's file; its folder is made. Several processes of one host may share it. */
  readonly path: string
  /** `power` (default): an accepted task survives a power cut. `process`: a killed process; the last moments may be lost with the power. */
  readonly durability?: SqliteDurability
  /**
   * Submits are refused when the disk has less free space than this. Default 64 MiB. The write-ahead log and its checkpoint may take 32 MiB of it: less
   * is no reserve.
   */
  readonly reserveBytes?: number
}

/**
 * The embedded queue: a SQLite file, no server. This is its main-thread side: it only posts batches to the keeper thread and hands out the
 * answers; `resident.ts` has the connection.
 */
export function sqliteQueue(options: SqliteQueueOptions): QueueDriver {
  const durability = options.durability ?? 'power'
  const line = createLine()
  const { call } = line
  let context: QueueContext | null = null

  async function open(given: QueueContext): Promise<void> {
    context = given
    const data: ResidentData = {
      path: resolve(options.path),
      durability,
      limits: given.limits,
      owner: newOwnerName(),
      reserveBytes: options.reserveBytes ?? 64 * 1024 * 1024,
    }
    const port = await given.keeper.attach(new URL('./resident.js', import.meta.url), data)
    line.connect(port, given)
  }

  async function claim(request: Parameters<QueueDriver['claim']>[0]): Promise<Claim> {
    const sent = !line.isClosed()
    try {
      return claimOf(await call<ClaimedRows>((ref) => ({ op: 'claim', ref, request })))
    } catch (error) {
      // a claim that still waited when the queue was closed has nothing to lose
      if (sent && line.isClosed()) return { deliveries: [], suspects: 0 }
      throw error
    }
  }

  const prune: QueueDriver['prune'] = async (given, { limit, deadlineMs, dryRun = false }) => {
    const policy = { succeeded: finite(given.succeeded), failed: finite(given.failed) }
    const end = context!.clock.monotonic() + deadlineMs
    let pruned = 0
    for (;;) {
      const slice = await call<number>((ref) => ({ op: 'prune', ref, policy, limit: limit - pruned, dryRun }))
      pruned += slice
      if (dryRun || slice === 0 || pruned >= limit || context!.clock.monotonic() >= end) return pruned
    }
  }

  return {
    capabilities: capabilitiesOf(durability),
    open,
    claim,
    prune,
    submit: (tasks) => call((ref) => ({ op: 'submit', ref, tasks })),
    renew: (fences) => call((ref) => ({ op: 'renew', ref, fences })),
    settle: (fence, settlement) => call((ref) => ({ op: 'settle', ref, fence, settlement })),
    record: (fence, report) => call((ref) => ({ op: 'record', ref, fence, report })),
    requestCancel: (id) => call((ref) => ({ op: 'requestCancel', ref, id })),
    replay: (id) => call((ref) => ({ op: 'replay', ref, id })),
    get: (id) => call((ref) => ({ op: 'get', ref, id })),
    list: (filter) => call((ref) => ({ op: 'list', ref, filter })),
    counts: () => call((ref) => ({ op: 'counts', ref })),
    pause: (type) => call((ref) => ({ op: 'pause', ref, type })),
    resume: (type) => call((ref) => ({ op: 'resume', ref, type })),
    onWake: (listener) => line.onWake(listener),
    async close() {
      // the resident ends with its keeper; what is under way there is committed first
      line.disconnect()
    },
  }
}

/** JSON, which carries the ops, knows no Infinity. */
function finite({ maxAgeMs, maxCount }: Retention['succeeded']): Retention['succeeded'] {
  return {
    maxAgeMs: Math.min(maxAgeMs, Number.MAX_SAFE_INTEGER),
    maxCount: Math.min(maxCount, Number.MAX_SAFE_INTEGER),
  }
}

function capabilitiesOf(durability: SqliteDurability): Capabilities {
  return { name: 'sqlite', durability, shared: true, integrity: true, keeperRenews: true, wakeMs: 50 }
}

type Listening = Pick<QueueContext, 'onFatal' | 'onCommit' | 'onRecovered'>

type Call = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }

/**
 * The line to the resident: calls of one turn of the event loop travel as one message, answers come back by number. Messages are JSON text:
 * for many small objects its writer and reader take a fraction of what a structured clone takes.
 */
function createLine() {
  const calls = new Map<number, Call>()
  const listeners = new Set<(wake: Wake) => void>()
  let port: MessagePort | null = null
  let batch: Op[] = []
  let last = 0

  /** One tick later than what calls do at the tick's end: the claim after a settle travels with it, and is met in the same transaction. */
  function flushSoon(): void {
    process.nextTick(flush)
  }

  function flush(): void {
    if (batch.length === 0) return
    const ops = batch
    batch = []
    send(ops)
  }

  /** In as many messages as it takes: their text is one string each, whose length is bounded. */
  function send(ops: readonly Op[]): void {
    let text: string
    try {
      text = JSON.stringify(ops)
    } catch {
      const [only] = ops
      if (ops.length === 1 && only) return refuse(only.ref)
      const middle = Math.ceil(ops.length / 2)
      send(ops.slice(0, middle))
      return send(ops.slice(middle))
    }
    port?.postMessage(text)
  }

  function refuse(ref: number): void {
    const message = 'the tasks of one submit are together longer than a text can be: submit fewer at once'
    take({ ref, error: toWire(new WorkerError('payload_too_large', message), 'payload_too_large') })
  }

  function call<T>(make: (ref: number) => Extract<Op, { op: OpName }>): Promise<T> {
    return new Promise<T>((resolveCall, reject) => {
      if (!port) return reject(new WorkerError('queue_closed', 'the queue is not open'))
      const ref = ++last
      calls.set(ref, { resolve: resolveCall, reject })
      const waiting = batch.push(make(ref))
      if (waiting === 1) process.nextTick(flushSoon)
      if (calls.size === 1) port.ref()
    })
  }

  function take({ ref, value, error }: Answer): void {
    const open = calls.get(ref)
    if (!open) return
    calls.delete(ref)
    if (error) open.reject(fromWire(error))
    else open.resolve(value as never)
  }

  function failAll(error: Error): void {
    for (const open of calls.values()) open.reject(error)
    calls.clear()
  }

  return {
    call,
    isClosed: () => port === null,
    connect(to: MessagePort, { onFatal, onCommit, onRecovered }: Listening) {
      port = to
      to.on('message', (text: string) => {
        const { answers, wake, fatal, commitMs, recovered } = JSON.parse(text) as FromResident
        for (const answer of answers) take(answer)
        if (commitMs !== null) onCommit?.(commitMs)
        for (const one of recovered) onRecovered?.(one)
        if (calls.size === 0) to.unref()
        if (wake) for (const listener of listeners) listener(wake)
        if (fatal) onFatal(fromWire(fatal))
      })
      to.on('close', () => {
        port = null
        failAll(new WorkerError('outcome_unknown', 'the keeper thread ended before it answered'))
      })
      to.unref()
    },
    disconnect() {
      const open = port
      flush()
      port = null
      open?.close()
      failAll(new WorkerError('queue_closed', 'the queue was closed before it answered'))
    },
    onWake(listener: (wake: Wake) => void) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
