import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import { decideReap, type Reap } from '../decide.js'
import { createDrainRate } from './drain-rate.js'
import type { QueueLimits, Wake } from '../queue.js'
import { isFinal } from '../task.js'
import { createKeys } from './keys.js'
import { countRows, createSequence } from './pages.js'
import { due, expired, settled, type Change, type Row } from './row.js'
import { createTable } from './table.js'

/** One opened driver. `hear` is told what it should look at. */
export interface Owner {
  readonly number: number
  readonly clock: Clock
  readonly limits: QueueLimits
  readonly hear: (news: Partial<Wake>) => void
}

/** The tasks of a memory queue. Several owners of one process may share it. Made by `createMemoryStore`. */
export type MemoryStore = ReturnType<typeof createMemoryStore>

/** Due times and leases are looked at this often at least, for clocks may step while a timer runs. */
const LOOK_MS = 250

export function createMemoryStore() {
  const table = createTable()
  const sequence = createSequence()
  const keys = createKeys()
  const paused = new Set<string>()
  const owners = new Map<number, Owner>()
  const drain = createDrainRate()
  const name = randomUUID()
  let owned = 0
  let fences = 0
  let accepted = 0
  let timer: { readonly at: number; readonly stop: () => void } | null = null

  const tell = (news: Partial<Wake>) => owners.forEach((owner) => owner.hear(news))

  /** The one way in which a row changes: indexes, drain rate and listeners follow. `by`: who needs not be told that it became final. */
  function change(row: Row, changes: Change, clock: Clock, by?: Owner): void {
    const before = row.status
    table.update(row, changes)
    if (row.status === before) return
    if (row.status === 'queued') tell({ ready: true })
    if (!isFinal(row.status)) return
    drain.left(1, clock.monotonic())
    for (const owner of owners.values()) if (owner !== by) owner.hear({ changed: true })
  }

  function endDelivery(row: Row, reap: Reap, clock: Clock, by?: Owner): void {
    change(row, settled(row, reap, clock.wall()), clock, by)
  }

  // ── what the passing of time does ──

  /** Lets what is due become claimable, fails what expired, and takes back leases that ran out. */
  function sweep({ clock, limits }: Owner): void {
    const now = clock.wall()
    for (let row = table.expiring.peek(); row && row.expiresAt! <= now; row = table.expiring.peek()) {
      change(row, expired(now), clock)
    }
    for (let row = table.due.peek(); row && row.readyAt <= now; row = table.due.peek()) {
      change(row, due(), clock)
    }
    const monotonic = clock.monotonic()
    for (let row = table.leased.peek(); row && row.lease!.until <= monotonic; row = table.leased.peek()) {
      takeBack(row, clock, limits)
    }
  }

  /** An owner that is still here was only late. One that is gone takes all that it had in hand with it. */
  function takeBack(row: Row, clock: Clock, limits: QueueLimits): void {
    const { owner, fence } = row.lease!
    const late = owners.get(owner)
    if (late) {
      endDelivery(row, { settlement: { kind: 'release' }, suspect: row.suspect }, clock)
      return late.hear({ lost: [fence] })
    }
    const rows = [...table.byFence.values()].filter((other) => other.lease!.owner === owner)
    const reaps = decideReap({
      rows: rows.map((inHand) => ({
        chargedCrashes: inHand.crashes - inHand.base.crashes,
        maxCrashes: limits.maxCrashes,
        cancelRequested: inHand.cancelRequested,
      })),
      aloneInOwner: rows.length === 1,
      machineRestarted: false,
    })
    rows.forEach((inHand, i) => endDelivery(inHand, reaps[i]!, clock))
  }

  /** Sees to it that somebody sweeps when the next task is due or the next lease ends. */
  function arm(owner: Owner): void {
    const waits = [
      (table.due.peek()?.readyAt ?? Infinity) - owner.clock.wall(),
      (table.expiring.peek()?.expiresAt ?? Infinity) - owner.clock.wall(),
      (table.leased.peek()?.lease?.until ?? Infinity) - owner.clock.monotonic(),
    ]
    const next = Math.min(...waits)
    if (next === Infinity) return
    const inMs = Math.min(LOOK_MS, Math.max(1, next))
    const at = performance.now() + inMs
    if (timer && timer.at <= at) return
    timer?.stop()
    const timeout = setTimeout(look, inMs).unref()
    timer = { at, stop: () => clearTimeout(timeout) }
  }

  function look(): void {
    timer = null
    const [owner] = owners.values()
    if (!owner) return
    sweep(owner)
    arm(owner)
  }

  return {
    table,
    sequence,
    keys,
    paused,
    drain,
    change,
    endDelivery,
    sweep,
    arm,
    tell,
    nextFence: () => `${name}:${++fences}`,
    nextSeq: () => ++accepted,
    owner: (number: number) => owners.get(number),
    counts: () => countRows(table.byId.values(), paused),

    join(clock: Clock, limits: QueueLimits, hear: Owner['hear']): Owner {
      const owner: Owner = { number: ++owned, clock, limits, hear }
      owners.set(owner.number, owner)
      return owner
    },
    /** What it has in hand stays leased until the leases run out. */
    leave(owner: Owner): void {
      owners.delete(owner.number)
      if (owners.size > 0) return
      timer?.stop()
      timer = null
    },
    insert(row: Row): void {
      table.insert(row)
      sequence.add(row)
    },
    remove(row: Row): void {
      table.delete(row)
      sequence.delete(row)
    },
  }
}
