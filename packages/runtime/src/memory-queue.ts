import { WorkerError } from './errors.js'
import { accept } from './memory/accept.js'
import { cancelAsked, claimed, deliveryOf, replayed, reported, taskOf, type Row } from './memory/row.js'
import { createMemoryStore, type MemoryStore, type Owner } from './memory/store.js'
import type { Claim, ClaimRequest, QueueDriver, Retention, Wake } from './queue.js'
import { isFinal, type Delivery } from './task.js'

export { createMemoryStore, type MemoryStore } from './memory/store.js'

export interface MemoryQueueOptions {
  /** Shared with the other owners of this process that were given the same one. Default: a store of its own. */
  readonly store?: MemoryStore
}

/**
 * The reference driver: the contract of queue.ts in plain data structures, for tests, development, and whoever writes a driver. Nothing
 * survives the process. Nobody renews its leases but `renew`.
 *
 * How it is built: `memory/row.ts` has each step of a task's life as a pure function, `memory/table.ts` the rows with their indexes,
 * `memory/store.ts` what the passing of time does. Here is what one owner may ask. A member runs in one piece, without an await, so
 * that no two members ever see each other's half-done work.
 */
export function memoryQueue(options: MemoryQueueOptions = {}): QueueDriver {
  const store = options.store ?? createMemoryStore()
  const ears = createEars(() => {
    for (const claim of waiting) claim.retry()
  })
  let owner: Owner | null = null
  let closed = false
  const waiting = new Set<WaitingClaim>()

  /** Runs one member: on a queue that is open, with the time that passed taken into account. */
  function act<T>(work: (me: Owner) => T | Promise<T>, { sweep = true } = {}): Promise<T> {
    const me = owner
    if (!me) return Promise.reject(notOpen(closed))
    try {
      if (sweep) store.sweep(me)
      const answer = work(me)
      store.arm(me)
      return Promise.resolve(answer)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A lease that ran out still counts until somebody took the task back: whoever finishes first is heard. */
  const onLease = { sweep: false }

  function hold(request: ClaimRequest, waitMs: number): Promise<Claim> {
    return new Promise((resolve) => {
      const answer = (claim: Claim) => {
        clearTimeout(timer)
        waiting.delete(held)
        resolve(claim)
      }
      const timer = setTimeout(() => answer(NOTHING), waitMs)
      const held: WaitingClaim = {
        answer,
        retry: () => {
          // what was submitted meanwhile may have expired already
          if (owner) store.sweep(owner)
          const claim = owner ? claimNow(store, owner, request) : NOTHING
          if (owner) store.arm(owner)
          if (!isNothing(claim)) answer(claim)
        },
      }
      waiting.add(held)
    })
  }

  function callBack(): void {
    for (const claim of waiting) claim.answer(NOTHING)
  }

  return {
    capabilities: {
      name: 'memory',
      durability: 'none',
      shared: false,
      integrity: false,
      keeperRenews: false,
      wakeMs: 0,
    },

    async open({ clock, limits }) {
      if (owner || closed) throw new WorkerError('queue_closed', 'a driver is opened once; make another one')
      owner = store.join(clock, limits, ears.hear)
    },

    submit: (tasks) => act((me) => accept(store, me, tasks)),

    claim: (request) =>
      act((me) => {
        if (request.max === 0) callBack()
        const claim = claimNow(store, me, request)
        return isNothing(claim) && request.waitMs && request.max > 0 ? hold(request, request.waitMs) : claim
      }),

    renew: (fences) =>
      act((me) => fences.map((fence) => (prolong(store, me, fence) ? 'renewed' : 'stale')), onLease),

    settle: (fence, settlement) =>
      act((me) => {
        const row = store.table.byFence.get(fence)
        if (!row) return 'stale'
        // only a crash leaves a suspect suspected
        const suspect = settlement.kind === 'crash' && row.suspect
        store.endDelivery(row, { settlement, suspect }, me.clock, me)
        return 'settled'
      }, onLease),

    record: (fence, report) =>
      act(() => {
        const row = store.table.byFence.get(fence)
        if (!row) return 'stale'
        store.table.update(row, reported(row, report))
        return 'recorded'
      }, onLease),

    requestCancel: (id) =>
      act((me) => {
        const row = store.table.byId.get(id)
        if (!row) return 'not_found'
        if (isFinal(row.status)) return 'final'
        store.change(row, cancelAsked(row, me.clock.wall()), me.clock, me)
        if (!row.lease) return 'cancelled'
        store.owner(row.lease.owner)?.hear({ cancelled: [row.lease.fence] })
        return 'requested'
      }),

    replay: (id) =>
      act((me) => {
        const row = store.table.byId.get(id)
        if (!row) return 'not_found'
        if (row.status !== 'failed' && row.status !== 'cancelled') return 'not_replayable'
        store.change(row, replayed(row, me.clock.wall()), me.clock, me)
        return 'replayed'
      }),

    get: (id) =>
      act(() => {
        const row = store.table.byId.get(id)
        return row ? taskOf(row) : null
      }),
    list: (filter) => act(() => store.sequence.page(filter)),
    counts: () => act(() => store.counts()),

    pause: (type) => act(() => void store.paused.add(type)),
    resume: (type) =>
      act(() => {
        if (store.paused.delete(type)) store.tell({ ready: true })
      }),

    prune: (policy, { limit, deadlineMs, dryRun }) =>
      act((me) =>
        dryRun ? countPrunable(store, me, policy, limit) : prune(store, me, policy, limit, deadlineMs),
      ),

    onWake: ears.listen,

    async close() {
      closed = true
      if (!owner) return
      callBack()
      ears.stop()
      store.leave(owner)
      owner = null
    },
  }
}

function notOpen(closed: boolean): WorkerError {
  return new WorkerError('queue_closed', closed ? 'the queue is closed' : 'the queue is not open yet')
}

// ── claiming ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A claim that found nothing and waits. */
interface WaitingClaim {
  readonly answer: (claim: Claim) => void
  readonly retry: () => void
}

const NOTHING: Claim = { deliveries: [], suspects: 0 }

/** That suspects wait is something: whoever hears of it can make itself free for them. */
function isNothing({ deliveries, suspects }: Claim): boolean {
  return deliveries.length === 0 && suspects === 0
}

function claimNow(store: MemoryStore, me: Owner, request: ClaimRequest): Claim {
  const wants = request.wants.filter(({ type }) => !store.paused.has(type))
  const versions = new Map(wants.map((want) => [want.type, new Set(want.versions)]))
  const suspects = store.table.suspects.items().filter((row) => versions.get(row.type)?.has(row.version))
  if (!request.alone)
    return { deliveries: takeOldest(store, me, { ...request, wants }), suspects: suspects.length }
  const [first] = suspects.toSorted((a, b) => a.rank - b.rank || a.seq - b.seq)
  if (!first || request.max < 1) return { deliveries: [], suspects: suspects.length }
  return { deliveries: [deliver(store, me, first)], suspects: suspects.length - 1 }
}

function takeOldest(store: MemoryStore, me: Owner, { wants, max }: ClaimRequest): Delivery[] {
  const deliveries: Delivery[] = []
  let open = wants.filter(({ free }) => free > 0)
  const left = new Map(open.map(({ type, free }) => [type, free]))
  while (deliveries.length < max) {
    const row = store.table.oldest(open)
    if (!row) break
    deliveries.push(deliver(store, me, row))
    const free = left.get(row.type)! - 1
    left.set(row.type, free)
    if (free === 0) open = open.filter(({ type }) => type !== row.type)
  }
  return deliveries
}

function deliver(store: MemoryStore, me: Owner, row: Row): Delivery {
  const until = me.clock.monotonic() + me.limits.leaseMs
  const lease = { fence: store.nextFence(), owner: me.number, until }
  store.change(row, claimed(row, lease, me.clock.wall()), me.clock)
  return deliveryOf(row, lease)
}

function prolong(store: MemoryStore, me: Owner, fence: string): boolean {
  const row = store.table.byFence.get(fence)
  if (!row?.lease) return false
  store.table.update(row, { lease: { ...row.lease, until: me.clock.monotonic() + me.limits.leaseMs } })
  return true
}

// ── pruning ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function prune(store: MemoryStore, me: Owner, policy: Retention, limit: number, deadlineMs: number): number {
  const end = performance.now() + deadlineMs
  let pruned = 0
  while (pruned < limit && performance.now() < end) {
    const row = oldestPrunable(store, me.clock.wall(), policy)
    if (!row) break
    store.remove(row)
    pruned++
  }
  return pruned
}

function countPrunable({ table }: MemoryStore, me: Owner, policy: Retention, limit: number): number {
  const past = (heap: typeof table.failed, { maxAgeMs, maxCount }: Retention['failed']) => {
    const old = heap.items().filter((row) => row.finishedAt! < me.clock.wall() - maxAgeMs).length
    return Math.max(old, heap.size - maxCount)
  }
  return Math.min(limit, past(table.succeeded, policy.succeeded) + past(table.failed, policy.failed))
}

function oldestPrunable({ table }: MemoryStore, now: number, policy: Retention): Row | undefined {
  const past = (heap: typeof table.failed, { maxAgeMs, maxCount }: Retention['failed']) => {
    const row = heap.peek()
    return row && (heap.size > maxCount || row.finishedAt! < now - maxAgeMs) ? row : undefined
  }
  const succeeded = past(table.succeeded, policy.succeeded)
  const failed = past(table.failed, policy.failed)
  if (!succeeded || !failed) return succeeded ?? failed
  return succeeded.finishedAt! <= failed.finishedAt! ? succeeded : failed
}

// ── wakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Gathers news until the current step is over, then tells each listener once. */
function createEars(onReady: () => void) {
  const listeners = new Set<(wake: Wake) => void>()
  let gathered: Wake | null = null

  function tellAll(): void {
    const wake = gathered
    gathered = null
    if (!wake) return
    if (wake.ready) onReady()
    for (const listener of listeners) listener(wake)
  }

  return {
    hear: (news: Partial<Wake>): void => {
      if (!gathered) queueMicrotask(tellAll)
      gathered = {
        ready: (gathered?.ready ?? false) || (news.ready ?? false),
        changed: (gathered?.changed ?? false) || (news.changed ?? false),
        cancelled: [...(gathered?.cancelled ?? []), ...(news.cancelled ?? [])],
        lost: [...(gathered?.lost ?? []), ...(news.lost ?? [])],
      }
    },
    listen: (listener: (wake: Wake) => void): (() => void) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stop(): void {
      gathered = null
      listeners.clear()
    },
  }
}
