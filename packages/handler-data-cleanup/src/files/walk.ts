import type { Truncation } from './budget.js'
import { type Decision, type EntryRules, type SkipReason, decideAge, decideEntry } from './decide-entry.js'
import { type Folder, type Look, systemCode } from './folder.js'
import type { LinkedFiles } from './linked-files.js'
import { asFault, lookAll } from './look-all.js'
import { type ByteString, pathText } from './names.js'
import type { Level, Position } from './position.js'
import { type Entry, type Removals, type Removing, createRemovals } from './removals.js'
import { countError, countSkipped } from './tally.js'

/** What a walk needs to know, and where it writes down what it did. */
export interface Walk extends Removing {
  readonly rules: EntryRules
  /** The root's; other devices are not entered. */
  readonly device: number
  /** Paths below the root where other file systems begin. */
  readonly mounts: ReadonlySet<ByteString>
  readonly batchSize: number
  readonly maxDepth: number
  readonly removesFolders: boolean
  /** While earlier deliveries of the same task were at work, milliseconds since the epoch; null: this is the first. */
  readonly earlier: { readonly from: number; readonly to: number } | null
  readonly linked: LinkedFiles
  /** Of what the rules let go: pressure mode keeps what is not needed. */
  readonly isNeeded: (look: Look) => boolean
  readonly onEntry?: (decision: Decision, look: Look, path: string) => void
  readonly onFolder?: (path: string) => void
  /** Between two batches: throws on abort, stores the position now and then. */
  readonly beat: (position: Position) => Promise<void>
}

/** `position`: where to go on; null when the walk came to its end. */
export interface WalkEnd {
  readonly truncatedBy: Truncation | null
  readonly position: Position | null
}

/** Goes through the folder and all below it, in the order in which the file system names the entries. The root itself stays. */
export async function walk(spec: Walk, root: Folder, from: Position | null): Promise<WalkEnd> {
  const trail: Level[] = []
  const end = await walkFolder({ spec, trail }, root, from ?? [{ name: '', after: null, kept: false }])
  return typeof end === 'object'
    ? { truncatedBy: end.stopped, position: trail }
    : { truncatedBy: null, position: null }
}

interface Walking {
  readonly spec: Walk
  /** The folders on the way down. After a stop: the position. */
  readonly trail: Level[]
}

type FolderEnd = 'emptied' | 'kept' | { readonly stopped: Truncation }

async function walkFolder(walking: Walking, folder: Folder, resume: Position): Promise<FolderEnd> {
  const { spec, trail } = walking
  const level: Level = { name: folder.parts.at(-1) ?? '', after: null, kept: false, ...resume[0] }
  trail.push(level)
  for await (const names of batches(folder, level.after, spec.batchSize)) {
    await spec.beat(trail)
    if (spec.budget.isLate()) return { stopped: 'max_duration' }
    if (!stillThere(spec, folder)) {
      level.kept = true
      break
    }
    const stopped = await walkBatch(walking, folder, level, names, resume[1] ? resume.slice(1) : [])
    if (stopped !== null) return { stopped }
  }
  trail.pop()
  return level.kept ? 'kept' : 'emptied'
}

/** A path that is too long for the system to tell is a fault of that folder alone. */
function stillThere({ tally }: Walk, folder: Folder): boolean {
  try {
    if (folder.inPlace()) return true
    countSkipped(tally, 'moved')
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') countSkipped(tally, 'moved')
    else countError(tally, folder.parts, code)
  }
  return false
}

/** The names after `after`; all of them where that one is gone. */
async function* batches(
  folder: Folder,
  after: ByteString | null,
  size: number,
): AsyncGenerator<readonly ByteString[]> {
  let waiting = after !== null
  let batch: ByteString[] = []
  for await (const name of folder.names()) {
    if (waiting) {
      waiting = name !== after
      continue
    }
    batch.push(name)
    if (batch.length < size) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
  if (waiting) yield* batches(folder, null, size)
}

/** In order, so that limits cut at one place, and a list names what a run deletes. Answers what stopped it. */
async function walkBatch(
  walking: Walking,
  folder: Folder,
  level: Level,
  names: readonly ByteString[],
  resume: Position,
): Promise<Truncation | null> {
  const { spec } = walking
  const looks = await lookAll(folder, names, spec.concurrency)
  const removals = createRemovals(spec, folder, level)
  for (const [i, name] of names.entries()) {
    const look = looks[i] ?? null
    spec.tally.scanned += 1
    if (look === null) countSkipped(spec.tally, 'vanished')
    else if ('fault' in look) {
      countError(spec.tally, [...folder.parts, name], look.fault)
      removals.keep(name, i)
    } else if (look.kind === 'directory') {
      await removals.flush()
      const end = await walkChild(walking, folder, { name, look }, resume)
      if (typeof end === 'object') return end.stopped
      if (end === 'kept') removals.keep(name, i)
      else if (spec.act === 'list') level.after = name
    } else {
      const stopped = await dealWithFile(spec, removals, { name, look, i }, pathText([...folder.parts, name]))
      if (stopped !== null) return stopped
    }
  }
  await removals.flush()
  return null
}

async function dealWithFile(
  spec: Walk,
  removals: Removals,
  entry: Entry & { readonly i: number },
  path: string,
): Promise<Truncation | null> {
  const { tally, budget } = spec
  const { name, look, i } = entry
  const known = spec.linked.undisturbed(look)
  const decision = decideEntry(known, path, spec.rules)
  spec.onEntry?.(decision, look, path)
  const keep = (reason: SkipReason): null => {
    countSkipped(tally, reason)
    removals.keep(name, i)
    return null
  }
  if (!decision.go) {
    if (decision.matched) tally.matched += 1
    return keep(decision.reason)
  }
  tally.matched += 1
  if (budget.isTooLarge(look.bytes)) return keep('too_large')
  if (!spec.isNeeded(known)) return keep('not_needed')
  const bytes = spec.linked.freed(look)
  if (budget.take(bytes) !== null) {
    await removals.flush() // what could not be deleted gives its place back
    const limit = budget.take(bytes)
    if (limit !== null) {
      // it is met again by the run that goes on here
      tally.scanned -= 1
      tally.matched -= 1
      return limit
    }
  }
  removals.add({ name, look, i, path, bytes })
  return null
}

async function walkChild(
  walking: Walking,
  parent: Folder,
  { name, look }: Entry,
  resume: Position,
): Promise<FolderEnd | 'gone'> {
  const { spec, trail } = walking
  const parts = [...parent.parts, name]
  const keep = (reason: SkipReason): 'kept' => {
    countSkipped(spec.tally, reason)
    return 'kept'
  }
  if (spec.rules.excluded(pathText(parts))) return keep('excluded')
  if (look.device !== spec.device || spec.mounts.has(parts.join('/'))) return keep('other_mount')
  if (trail.length > spec.maxDepth) return keep('too_deep')
  const child = await enter(parent, name)
  if ('fault' in child) {
    if (child.fault === 'ELOOP' || child.fault === 'ENOTDIR') return keep('changed')
    if (child.fault === 'ENOENT') return 'gone'
    countError(spec.tally, parts, child.fault)
    return 'kept'
  }
  try {
    const self = await child.self()
    if (self.inode !== look.inode || self.device !== look.device) return keep('changed')
    const end = await walkFolder(walking, child, resume[0]?.name === name ? resume : [])
    if (end !== 'emptied') return end
  } finally {
    await child.close()
  }
  return removeFolder(spec, parent, { name, look })
}

async function enter(parent: Folder, name: ByteString): Promise<Folder | { readonly fault: string }> {
  try {
    return await parent.enter(name)
  } catch (error) {
    return asFault(error)
  }
}

async function removeFolder(spec: Walk, parent: Folder, { name, look }: Entry): Promise<'kept' | 'gone'> {
  const { tally, rules } = spec
  const parts = [...parent.parts, name]
  const path = pathText(parts)
  if (!spec.removesFolders || !rules.included(path)) return 'kept'
  const age = decideAge(folderTime(look, spec), rules)
  if (age !== null) {
    countSkipped(tally, age)
    return 'kept'
  }
  if (spec.act === 'delete') {
    try {
      await parent.rmdir(name)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'ENOENT') return 'gone'
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') countError(tally, parts, code)
      return 'kept'
    }
  }
  tally.directories_deleted += 1
  spec.onFolder?.(path)
  return 'gone'
}

/** The times that a kernel writes are so much behind the clock at most: one tick of 100 Hz. */
const TICK_MS = 10

/**
 * A removal makes its folder young. `look` is from before this delivery's own removals; a folder that was changed while earlier deliveries were at work
 * was emptied by them, and counts from its birth. `atime` is never used: enumerating a folder is an access.
 */
function folderTime(look: Look, { rules, earlier }: Walk): number {
  const time = rules.basis === 'mtime' ? look.mtimeMs : Math.max(look.mtimeMs, look.ctimeMs)
  const changed = Math.max(look.mtimeMs, look.ctimeMs)
  const byUs = earlier !== null && changed >= earlier.from && changed < earlier.to - TICK_MS
  return byUs && look.birthMs > 0 ? look.birthMs : time
}
