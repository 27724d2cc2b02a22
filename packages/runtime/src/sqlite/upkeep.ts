import type { Clock } from '../clock.js'
import type { Recovered, Wake } from '../queue.js'
import { asArray, fenceText, prepareArrays } from './base.js'
import type { Store } from './store.js'
import type { Transact } from './transact.js'

const REAP_MS = 250
const KEYS_MS = 60_000

/** What the resident looks at between batches: other processes' commits, due times, dead owners, expired keys. */
export function createUpkeep(
  store: Store,
  transact: Transact,
  clock: Clock,
  onRecovered: (recovered: Recovered) => void,
) {
  const cancelled = prepareArrays(
    store.db,
    `SELECT seq, deliveries FROM tasks INDEXED BY tasks_running WHERE status = 'running' AND owner = ? AND cancel_requested = 1`,
  )
  let version = store.dataVersion()
  let nextDue = store.nextDue()
  let reapAt = clock.monotonic()
  let keysAt = clock.monotonic()
  let told = new Set<string>()
  /** Something happened that was not told yet: after it a step of the same look may find the store away. */
  let news = false

  /** Each cancel of a task in hand is told once. */
  function newCancels(): string[] {
    const all = cancelled.all(store.base.owner).map((row) => {
      const [seq, delivery] = asArray(row) as [number, number]
      return fenceText({ seq, delivery })
    })
    const fresh = all.filter((fence) => !told.has(fence))
    told = new Set(all)
    return fresh
  }

  function wake(ready: boolean): Wake {
    return { ready, cancelled: newCancels(), lost: [], changed: true }
  }

  function makeDueReady(): number {
    if (clock.wall() < nextDue) return 0
    const made = store.makeDueReady()
    nextDue = store.nextDue()
    return made
  }

  function reap(): Recovered[] {
    const dead = store.deadOwners()
    const late = store.lateOwners()
    if (dead.length === 0 && late.length === 0) return []
    return transact(() => [
      ...dead.map((owner) => store.reapDead(owner)),
      ...late.map((owner) => store.reapLate(owner)),
    ]).filter(({ tasks }) => tasks > 0)
  }

  function reapAndTell(): boolean {
    const recovered = reap()
    for (const one of recovered) onRecovered(one)
    return recovered.length > 0
  }

  /** Every quarter of a second. */
  function housekeep(now: number): void {
    if (now < reapAt) return
    reapAt = now + REAP_MS
    if (reapAndTell()) news = true
    if (store.anyLate() && transact(() => store.expireLate()) > 0) news = true
    if (now >= keysAt) {
      // where a slice was full there are more, and they come faster than one slice a minute
      const more = transact(() => store.forgetOldKeys()) > 0
      keysAt = more ? now : now + KEYS_MS
    }
  }

  return {
    wake,
    /** Inside a transaction, before its claims: what is due becomes ready, what is late expires, what others paused is known. */
    beforeClaims(): void {
      store.paused.refresh()
      makeDueReady()
      if (store.anyLate()) store.expireLate()
    },
    /** Submits and settles of this process move due times too. */
    noteDue: () => void (nextDue = store.nextDue()),
    recover: () => void reapAndTell(),
    look(): { readonly ready: boolean; readonly wake: Wake | null } {
      const seen = store.dataVersion()
      if (seen !== version) {
        version = seen
        news = true
        store.paused.refresh()
        nextDue = store.nextDue()
      }
      if (clock.wall() >= nextDue && transact(makeDueReady) > 0) news = true
      housekeep(clock.monotonic())
      const ready = news
      news = false
      return { ready, wake: ready ? wake(true) : null }
    },
  }
}

export type Upkeep = ReturnType<typeof createUpkeep>
