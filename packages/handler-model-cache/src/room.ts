import { ModelError } from './errors.js'
import {
  createPoolChooser,
  type ChoiceAround,
  type ChosenEvictions,
  type EvictionChooser,
} from './eviction-choice.js'
import type { Ledger } from './ledger.js'
import { isInReach, strongestWish, type ModelEntry, type RefusalReason } from './model-entry.js'

export interface RoomSettings {
  readonly policy: ChoiceAround['settings']['policy']
  readonly minResidencyMs: number
  /** How long a request waits for room before it is told NO_ROOM. */
  readonly roomWaitMs: number
}

export interface RoomAround extends ChoiceAround {
  readonly settings: RoomSettings
  /** Starts the unload of idle models; `changed` is called as each ends. */
  readonly evict: (chosen: ChosenEvictions) => void
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
  /** The idle models to give up so that `bytes` or as much of it as possible are free, whatever the ledger says; null: there are none. */
  chooseFor(entry: ModelEntry, bytes: number): ChosenEvictions | null
  /** Bytes of unloads under way: they come back by themselves. */
  unloading(): number
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
  const chooser = createPoolChooser(around)
  const line = new Set<Ticket>()
  const count = { arrivals: 0 }
  let cancelWake: (() => void) | null = null

  /** Once: true where the next in the line may have a turn. */
  function serveHead(ticket: Ticket): boolean {
    if (ticket.bytes <= ledger.free(ticket.entry)) {
      ledger.reserve(ticket.entry, ticket.bytes)
      ticket.end({ granted: true })
      return true
    }
    const missing = ticket.bytes - ledger.free(ticket.entry) - leavingBytes(around.entries())
    if (missing <= 0) return false
    const turn = decideTurn(ticket.entry, missing, chooser, around)
    if (turn.kind === 'refuse') ticket.end({ granted: false, reason: turn.reason })
    else if (turn.kind === 'evict') around.evict(turn.chosen)
    else if (turn.againInMs !== null) cancelWake = clock.after(turn.againInMs, serve)
    return turn.kind === 'refuse'
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
    chooseFor: (entry, bytes) => chooser.toFreeAtMost(entry, bytes),
    unloading: () => bytesOfThose(around.entries(), ['unloading']),
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
  const theirs =
    ledger.outside === 0 ? '' : ` (others hold ${ledger.outside} there, which this cache does not evict)`
  const problem = `expected ${bytes} bytes for ${entry.model.modelId} in ${ledger.pool}, got ${ledger.free()} of ${limit} within ${waitedMs} ms${theirs}`
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
  return bytesOfThose(entries, ['draining', 'unloading'])
}

function bytesOfThose(entries: Iterable<ModelEntry>, states: readonly ModelEntry['state'][]): number {
  let bytes = 0
  for (const entry of entries) if (states.includes(entry.state)) bytes += entry.ledger.bytesOf(entry)
  return bytes
}

// ── the turn of the head ──────────────────────────────────────────────────────────────────────────────────────────────

type Turn =
  | { readonly kind: 'evict'; readonly chosen: ChosenEvictions }
  | { readonly kind: 'wait'; readonly againInMs: number | null }
  | { readonly kind: 'refuse'; readonly reason: RefusalReason }

function decideTurn(entry: ModelEntry, missing: number, chooser: EvictionChooser, around: RoomAround): Turn {
  const chosen = chooser.toFree(entry, missing)
  if (chosen) return { kind: 'evict', chosen }
  // what leaves is in `missing` already
  const held = [...around.entries()].filter(
    (other) => around.ledger.bytesOf(other) > 0 && other.state !== 'draining' && other.state !== 'unloading',
  )
  const unpinned = held.filter(({ pinned }) => !pinned)
  const bytesOf = (some: readonly ModelEntry[]) =>
    some.reduce((sum, other) => sum + around.ledger.bytesOf(other), 0)
  const { priority, evict } = strongestWish(entry)
  const inReach = unpinned.filter((other) => isInReach(other, evict, priority))
  // others on the endpoint give back what they hold in their own time
  const mayCome = around.ledger.outside
  if (bytesOf(inReach) + mayCome >= missing)
    return { kind: 'wait', againInMs: nextResidencyEnd(around, inReach) }
  return { kind: 'refuse', reason: bytesOf(unpinned) + mayCome >= missing ? 'rule' : 'pinned' }
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
