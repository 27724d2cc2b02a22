import type { CacheClock } from './clock.js'
import { ModelError } from './errors.js'
import { chooseEvictions, type EvictionPolicy } from './eviction-policy.js'
import type { Ledger } from './ledger.js'
import { strongestWish, type EvictRule, type ModelEntry, type RefusalReason } from './model-entry.js'
import { rateAt } from './request-rate.js'

export interface RoomSettings {
  readonly policy: EvictionPolicy
  /** A model that became ready less than this ago is not evicted for others. */
  readonly minResidencyMs: number
  /** How long a request waits for room before it is told NO_ROOM. */
  readonly roomWaitMs: number
  readonly rateHalfLifeMs: number
}

/** Why an eviction chose what it chose: everything that could have gone, and what each would have cost. */
export interface EvictionChoice {
  readonly at: number
  /** Another model needed the room, or the machine ran out of memory. */
  readonly reason: 'room' | 'memory'
  readonly forModel: string
  readonly neededBytes: number
  readonly policy: EvictionPolicy
  readonly candidates: readonly {
    readonly modelId: string
    readonly bytes: number
    readonly cost: number
    readonly chosen: boolean
  }[]
}

export interface RoomAround {
  readonly ledger: Ledger<ModelEntry>
  readonly clock: CacheClock
  readonly settings: RoomSettings
  /** The entries of this pool. */
  readonly entries: () => Iterable<ModelEntry>
  /** Starts the unload of idle models; `changed` is called as each ends. */
  readonly evict: (entries: readonly ModelEntry[], choice: EvictionChoice) => void
}

export type Admission =
  | { readonly granted: true }
  | { readonly granted: false; readonly reason: RefusalReason }

/**
 * Who gets the memory of a pool. Requests stand in one line, the most urgent first, then first come; nobody overtakes the head of the line, so
 * that a large model does not starve. For the head the cheapest set of idle models is evicted. What is in use or has just become ready
 * may end: then the head waits. Where pins or its own rule stand in the way it is refused at once.
 */
export interface Room {
  /** Resolves when `bytes` are reserved for the entry, or when that is refused. Rejects with NO_ROOM, or the signal's reason. */
  enter(entry: ModelEntry, bytes: number, signal: AbortSignal): Promise<Admission>
  /** Memory, uses or pins changed. */
  changed(): void
  /** The idle models to give up so that `bytes` or as much of it as possible are free, whatever the ledger says; none: there are none. */
  chooseFor(entry: ModelEntry, bytes: number): { readonly set: ModelEntry[]; readonly choice: EvictionChoice }
  /** Requests in the line. */
  waiting(): number
}

interface Ticket {
  readonly entry: ModelEntry
  readonly bytes: number
  readonly order: number
  readonly end: (how: Admission | Error) => void
}

export function createRoom(around: RoomAround): Room {
  const { ledger, clock } = around
  const line = new Set<Ticket>()
  const count = { arrivals: 0 }
  let cancelWake: (() => void) | null = null

  /** Once: true where the next in the line may have a turn. */
  function serveHead(ticket: Ticket): boolean {
    if (ticket.bytes <= ledger.free()) {
      ledger.reserve(ticket.entry, ticket.bytes)
      ticket.end({ granted: true })
      return true
    }
    const missing = ticket.bytes - ledger.free() - leavingBytes(around.entries())
    if (missing <= 0) return false
    const plan = planEviction(around, ticket.entry, missing)
    if (plan.kind === 'refuse') ticket.end({ granted: false, reason: plan.reason })
    else if (plan.kind === 'evict') around.evict(plan.set, plan.choice)
    else if (plan.againInMs !== null) cancelWake = clock.after(plan.againInMs, serve)
    return plan.kind === 'refuse'
  }
  function serve(): void {
    cancelWake?.()
    for (let head = headOf(line); head !== null && serveHead(head); head = headOf(line));
  }

  return {
    enter: (entry, bytes, signal) => {
      count.arrivals += 1
      return stand({ entry, bytes, order: count.arrivals }, { line, signal, serve, around })
    },
    changed: serve,
    waiting: () => line.size,
    chooseFor(entry, bytes) {
      const idle = evictableFor(around, entry)
      const most = idle.reduce((sum, one) => sum + one.bytes, 0)
      return (
        choiceOf(around, entry, Math.min(bytes, most), idle, 'memory') ?? {
          set: [],
          choice: emptyChoice(around, entry),
        }
      )
    },
  }
}

interface Standing {
  readonly line: Set<Ticket>
  readonly signal: AbortSignal
  readonly serve: () => void
  readonly around: RoomAround
}

/** In the line until it is served, gives up, or has waited too long; then the next may have a turn. */
function stand(wanted: Omit<Ticket, 'end'>, { line, signal, serve, around }: Standing): Promise<Admission> {
  const { clock, settings, ledger } = around
  return new Promise((resolve, reject) => {
    const end = (how: Admission | Error) => {
      line.delete(ticket)
      cancelTimeout()
      signal.removeEventListener('abort', giveUp)
      if (how instanceof Error) reject(how)
      else resolve(how)
    }
    const giveUp = () => {
      end(signal.reason as Error)
      serve()
    }
    const ticket: Ticket = { ...wanted, end }
    const cancelTimeout = clock.after(settings.roomWaitMs, () => {
      end(noRoom(wanted, ledger, settings.roomWaitMs))
      serve()
    })
    line.add(ticket)
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    else serve()
  })
}

function noRoom(
  { entry, bytes }: Pick<Ticket, 'entry' | 'bytes'>,
  ledger: Ledger<ModelEntry>,
  waitedMs: number,
): ModelError {
  const limit = ledger.limit ?? 'unlimited'
  const problem = `expected ${bytes} bytes for ${entry.model.modelId} in ${ledger.pool}, got ${ledger.free()} of ${limit} within ${waitedMs} ms`
  return new ModelError('NO_ROOM', problem)
}

function headOf(line: ReadonlySet<Ticket>): Ticket | null {
  let head: Ticket | null = null
  for (const ticket of line) {
    const before =
      head === null ? 1 : strongestWish(ticket.entry).priority - strongestWish(head.entry).priority
    if (head === null || before > 0 || (before === 0 && ticket.order < head.order)) head = ticket
  }
  return head
}

/** What comes back by itself: unloads under way, and drains that wait for their last use. */
function leavingBytes(entries: Iterable<ModelEntry>): number {
  let bytes = 0
  for (const entry of entries) {
    if (entry.state === 'draining' || entry.state === 'unloading') bytes += entry.ledger.bytesOf(entry)
  }
  return bytes
}

// ── the choice ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Plan =
  | { readonly kind: 'evict'; readonly set: readonly ModelEntry[]; readonly choice: EvictionChoice }
  | { readonly kind: 'wait'; readonly againInMs: number | null }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason }

function planEviction(around: RoomAround, entry: ModelEntry, missing: number): Plan {
  const chosen = choiceOf(around, entry, missing, evictableFor(around, entry), 'room')
  if (chosen) return { kind: 'evict', ...chosen }
  // what leaves is in `missing` already
  const held = [...around.entries()].filter(
    (other) => around.ledger.bytesOf(other) > 0 && other.state !== 'draining' && other.state !== 'unloading',
  )
  const unpinned = held.filter(({ pinned }) => !pinned)
  const bytesOf = (some: readonly ModelEntry[]) =>
    some.reduce((sum, other) => sum + around.ledger.bytesOf(other), 0)
  const { priority, evict } = strongestWish(entry)
  const inReach = unpinned.filter((other) => isInReach(other, evict, priority))
  if (bytesOf(inReach) >= missing) return { kind: 'wait', againInMs: nextResidencyEnd(around, inReach) }
  return { kind: 'refuse', reason: bytesOf(unpinned) >= missing ? 'rule' : 'pinned' }
}

function isInReach(other: ModelEntry, rule: EvictRule, priority: number): boolean {
  return rule === 'any' || (rule === 'lower_priority' && other.priority < priority)
}

interface IdleModel {
  readonly entry: ModelEntry
  readonly modelId: string
  readonly bytes: number
  readonly cost: number
  readonly lastUsedAt: number
}

/** Ready, idle, not pinned, within reach of the rule, and past its minimum residency. */
function evictableFor(around: RoomAround, wanted: ModelEntry): IdleModel[] {
  const { clock, settings, ledger } = around
  const { priority, evict } = strongestWish(wanted)
  const now = clock.now()
  const idle: IdleModel[] = []
  for (const entry of around.entries()) {
    if (entry === wanted || entry.state !== 'ready' || entry.uses > 0 || entry.pinned) continue
    if (!isInReach(entry, evict, priority) || now < entry.readyAt + settings.minResidencyMs) continue
    const cost = evictionCost(entry, now, settings.rateHalfLifeMs)
    const { lastUsedAt, model } = entry
    idle.push({ entry, modelId: model.modelId, bytes: ledger.bytesOf(entry), cost, lastUsedAt })
  }
  return idle
}

/** Seconds of loading per second that its absence would cost: request rate × load seconds. */
export function evictionCost(entry: ModelEntry, now: number, halfLifeMs: number): number {
  return rateAt(entry.rate, now, halfLifeMs) * (entry.loadMs / 1000)
}

function choiceOf(
  around: RoomAround,
  wanted: ModelEntry,
  bytes: number,
  idle: readonly IdleModel[],
  reason: 'room' | 'memory',
): { readonly set: ModelEntry[]; readonly choice: EvictionChoice } | null {
  const { policy } = around.settings
  const chosen = chooseEvictions(policy, idle, bytes)
  if (chosen === null || chosen.length === 0) return null
  const candidates = idle.map((one) => {
    const { modelId, bytes: size, cost } = one
    return { modelId, bytes: size, cost, chosen: chosen.includes(one) }
  })
  return {
    set: chosen.map(({ entry }) => entry),
    choice: {
      reason,
      at: around.clock.now(),
      forModel: wanted.model.modelId,
      neededBytes: bytes,
      policy,
      candidates,
    },
  }
}

function emptyChoice({ clock, settings }: RoomAround, wanted: ModelEntry): EvictionChoice {
  const { policy } = settings
  return {
    at: clock.now(),
    reason: 'memory',
    forModel: wanted.model.modelId,
    neededBytes: 0,
    policy,
    candidates: [],
  }
}

/** When the first of those that only their minimum residency protects can go, in milliseconds from now; null: uses must end first. */
function nextResidencyEnd({ clock, settings }: RoomAround, inReach: readonly ModelEntry[]): number | null {
  const now = clock.now()
  const ends = inReach
    .filter(({ state, uses }) => state === 'ready' && uses === 0)
    .map(({ readyAt }) => readyAt + settings.minResidencyMs - now)
    .filter((left) => left > 0)
  return ends.length === 0 ? null : Math.min(...ends)
}
