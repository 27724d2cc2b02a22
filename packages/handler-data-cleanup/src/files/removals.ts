import type { Budget } from './budget.js'
import { type Folder, type Look, isSame, systemCode } from './folder.js'
import { inFlight } from './in-flight.js'
import { asFault } from './look-all.js'
import type { ByteString } from './names.js'
import type { Level } from './position.js'
import { type Tally, countDeleted, countError, countSkipped } from './tally.js'

export interface Removing {
  /** `list`: count and name what would be deleted, change nothing. */
  readonly act: 'delete' | 'list'
  readonly budget: Budget
  readonly tally: Tally
  readonly concurrency: number
  /** How many files the tally names. */
  readonly listed: number
}

export interface Entry {
  readonly name: ByteString
  readonly look: Look
}

interface Chosen extends Entry {
  /** Place in the batch. */
  readonly i: number
  readonly path: string
  readonly bytes: number
}

export interface Removals {
  add(chosen: Chosen): void
  keep(name: ByteString, i: number): void
  flush(): Promise<void>
}

/** Files that go one after the other are removed at once. */
export function createRemovals(spec: Removing, folder: Folder, level: Level): Removals {
  let chosen: Chosen[] = []
  let keptAt = -1
  const keep = (name: ByteString, i: number) => {
    level.kept = true
    if (i < keptAt) return
    keptAt = i
    level.after = name
  }
  async function flush(): Promise<void> {
    const going = chosen
    chosen = []
    const ends = await inFlight(spec.concurrency, going, async (one) =>
      spec.act === 'list' ? 'gone' : removeEntry(folder, one),
    )
    for (const [k, one] of going.entries()) {
      const end = ends[k] ?? 'vanished'
      if (end === 'gone') countDeleted(spec.tally, one, spec.listed)
      else spec.budget.giveBack(one.bytes)
      if (end === 'vanished' || end === 'changed') countSkipped(spec.tally, end)
      else if (end !== 'gone') countError(spec.tally, [...folder.parts, one.name], end.fault)
      if (end === 'changed' || typeof end === 'object') keep(one.name, one.i)
      // a list leaves everything in place
      else if (spec.act === 'list' && one.i > keptAt) level.after = one.name
    }
  }
  return { add: (one) => chosen.push(one), keep, flush }
}

type Removal = 'gone' | 'vanished' | 'changed' | { readonly fault: string }

/** Looks again right before: what has changed since it was chosen stays. */
export async function removeEntry(folder: Folder, { name, look }: Entry): Promise<Removal> {
  try {
    const now = folder.lookNow(name)
    if (now === null) return 'vanished'
    if (!isSame(now, look)) return 'changed'
    await folder.unlink(name)
    return 'gone'
  } catch (error) {
    return systemCode(error) === 'ENOENT' ? 'vanished' : asFault(error)
  }
}
