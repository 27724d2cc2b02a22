import { statfs } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { ageMs } from './age.js'
import { decodeCursor, encodeCursor } from './cursor.js'
import { createBudget, type Budget } from './files/budget.js'
import { type EntryRules, timeOf } from './files/decide-entry.js'
import type { Look } from './files/folder.js'
import { createLinkedFiles } from './files/linked-files.js'
import { createNewest } from './files/newest.js'
import type { OpenFiles } from './files/open-files.js'
import { matcherOf } from './files/patterns.js'
import { type Position, copyOf, isPosition } from './files/position.js'
import { createAgeHistogram, freeSpaceOf, wantedFree } from './files/pressure.js'
import { type OpenedRoot, openRoot } from './files/root.js'
import { type Tally, newTally } from './files/tally.js'
import { type Walk, walk } from './files/walk.js'
import type { FilesTarget } from './options.js'
import type { Payload } from './payload.js'
import { type Findings, nothingFound } from './result.js'
import { decideAgeMs } from './selection.js'
import type { TaskContext } from './task-context.js'
import type { Surroundings } from './surroundings.js'

/** What a task leaves behind for its next delivery. The age is counted from the first one, so that a resumed run ends as an undisturbed one. */
interface Checkpoint {
  readonly started_at: number
  readonly elapsed_ms: number
  readonly tally: Tally
  readonly position: Position | null
}

const DELETED_LISTED = 100
const DRY_RUN_LISTED = 1_000
const CHECKPOINT_EVERY_MS = 500
/** Time to write the result before the runtime's limit strikes. */
const BEFORE_DEADLINE_MS = 5_000

interface Run {
  readonly target: FilesTarget
  readonly payload: Payload
  readonly around: Surroundings
  readonly context: TaskContext
  readonly root: OpenedRoot
  readonly rules: EntryRules
  readonly device: number
  readonly startedAt: number
  /** Start of this delivery, where it is not the first. */
  readonly resumedAt: number | null
  readonly budget: Budget
  readonly tally: Tally
  readonly beat: Walk['beat']
}

/** Deletes the old files of a folder, or lists them. */
export async function cleanFiles(
  target: FilesTarget,
  payload: Payload,
  around: Surroundings,
  context: TaskContext,
  onFolder: (path: string) => void = () => {},
): Promise<Findings> {
  const olderThanMs = decideAgeMs(payload.target, target, payload.older_than)
  const scope = { target: payload.target, dryRun: payload.dry_run }
  const asked = payload.cursor === undefined ? null : decodeCursor(payload.cursor, scope)
  const spec = { target: payload.target, path: target.root, allowMountRoot: target.allowMountRoot }
  const root = await openRoot({ ...spec, dataDir: around.dataDir })
  if (root === null) return { ...nothingFound(), outcome: 'absent' }
  try {
    const saved = readCheckpoint(context.checkpoint.get())
    const run = await prepare({ target, payload, around, context, root }, olderThanMs, saved)
    const pressure = await decidePressure(run)
    if (pressure !== null && pressure.need <= 0)
      return await withPressure({ ...nothingFound(), outcome: 'not_needed' }, run, pressure)
    // under pressure the need is measured anew, and the oldest are chosen from all
    const from = pressure === null ? (saved?.position ?? asked) : null
    const end = await walk(
      { ...walkSpec(run), isNeeded: pressure?.isNeeded ?? (() => true), onFolder },
      root.folder,
      from,
    )
    const cursor = end.position === null || pressure !== null ? null : encodeCursor(end.position, scope)
    const left = end.truncatedBy !== null || run.tally.error_count > 0
    const findings: Findings = {
      ...nothingFound(),
      ...run.tally,
      outcome: left ? 'partial' : 'done',
      safety: root.folder.safety,
      truncated_by: end.truncatedBy,
      next_cursor: cursor,
    }
    return pressure === null ? findings : await withPressure(findings, run, pressure)
  } finally {
    await root.folder.close()
  }
}

async function prepare(
  given: Pick<Run, 'target' | 'payload' | 'around' | 'context' | 'root'>,
  olderThanMs: number,
  saved: Checkpoint | null,
): Promise<Run> {
  const { payload, around, context, root } = given
  const startedAt = saved?.started_at ?? around.now()
  const tally = saved?.tally ?? newTally()
  const elapsed = createStopwatch(saved?.elapsed_ms ?? 0)
  const store = (position: Position | null) =>
    context.checkpoint.set({ started_at: startedAt, elapsed_ms: elapsed(), tally, position })
  // before any effect: the age is counted from here, whoever goes on
  if (saved === null) await store(null)
  const open = createOpenPicture(given)
  await open.refresh()
  const self = await root.folder.self()
  const resumedAt = saved === null ? null : around.now()
  const base = { ...given, startedAt, resumedAt, tally, device: self.device }
  const budget = createBudget(
    {
      maxFiles: payload.max_files ?? null,
      maxBytes: payload.max_bytes ?? null,
      stopAt: stopAt(payload, context, elapsed()),
    },
    { files: tally.deleted, bytes: tally.bytes_freed },
  )
  const rules: EntryRules = { ...rulesOf(given, startedAt - olderThanMs), isOpen: open.isOpen }
  const run: Run = {
    ...base,
    rules,
    budget,
    beat: createBeat(given, tally, { store, refresh: open.refresh }),
  }
  return { ...run, rules: { ...rules, isLatest: await findLatest(run) } }
}

function createStopwatch(before: number): () => number {
  const from = performance.now()
  return () => Math.round(before + performance.now() - from)
}

function stopAt(payload: Payload, { task }: TaskContext, elapsedMs: number): number {
  const now = performance.now()
  const deadline = now + (task.deadline - Date.now()) - BEFORE_DEADLINE_MS
  const own = payload.max_duration === undefined ? Infinity : now + ageMs(payload.max_duration) - elapsedMs
  return Math.min(deadline, own)
}

function rulesOf(
  { target, payload, around }: Pick<Run, 'target' | 'payload' | 'around'>,
  cutoff: number,
): EntryRules {
  const includes = [target.include, payload.include].filter((patterns) => patterns.length > 0).map(matcherOf)
  return {
    basis: payload.basis,
    cutoff,
    now: around.now,
    included: (path) => includes.every((matches) => matches(path)),
    excluded: matcherOf([...target.exclude, ...payload.exclude]),
    isLatest: () => false,
    isOpen: () => false,
    allowHardLinks: target.allowHardLinks,
  }
}

function createOpenPicture({ target, around }: Pick<Run, 'target' | 'around'>) {
  let picture: OpenFiles | null = null
  return {
    isOpen: (device: number, inode: number) => picture?.has(device, inode) ?? false,
    refresh: async () => {
      if (!target.allowOpen) picture = await around.openFiles()
    },
  }
}

function createBeat(
  { payload, context }: Pick<Run, 'payload' | 'context'>,
  tally: Tally,
  { store, refresh }: { store: (position: Position) => Promise<void>; refresh: () => Promise<void> },
): Walk['beat'] {
  let storedAt = performance.now()
  let isFirst = true
  return async (position) => {
    context.progress(tally.scanned, null, `${tally.deleted} deleted`)
    context.signal.throwIfAborted()
    await refresh()
    if (performance.now() - storedAt >= CHECKPOINT_EVERY_MS) {
      await store(copyOf(position))
      storedAt = performance.now()
    }
    if (payload.pause_ms > 0 && !isFirst)
      await setTimeout(payload.pause_ms, undefined, { signal: context.signal })
    isFirst = false
  }
}

function walkSpec(run: Run): Walk {
  const { payload, target, around, root } = run
  return {
    act: payload.dry_run ? 'list' : 'delete',
    rules: run.rules,
    device: run.device,
    mounts: root.mounts,
    budget: run.budget,
    tally: run.tally,
    batchSize: payload.batch_size ?? 256,
    concurrency: around.concurrency,
    maxDepth: around.maxDepth,
    removesFolders: target.removeEmptyDirectories,
    earlier: run.resumedAt === null ? null : { from: run.startedAt, to: run.resumedAt },
    listed: payload.dry_run ? DRY_RUN_LISTED : DELETED_LISTED,
    linked: createLinkedFiles(),
    isNeeded: () => true,
    beat: run.beat,
  }
}

/** A walk that only looks: for what has to be known of all files before the first one goes. */
async function survey(run: Run, onEntry: NonNullable<Walk['onEntry']>): Promise<void> {
  const unlimited = createBudget({ maxFiles: null, maxBytes: null, stopAt: Infinity }, { files: 0, bytes: 0 })
  const look = async () => run.context.signal.throwIfAborted()
  const fresh = { budget: unlimited, tally: newTally(), linked: createLinkedFiles() }
  const quiet = { ...fresh, act: 'list', beat: look, listed: 0, onEntry } as const
  await walk({ ...walkSpec(run), ...quiet }, run.root.folder, null)
}

const NOT_CHOSEN = new Set(['excluded', 'not_included', 'fifo', 'socket', 'device', 'changed'])

async function findLatest(run: Run): Promise<EntryRules['isLatest']> {
  const { keep_latest: count, basis } = run.payload
  if (count === 0) return () => false
  const newest = createNewest(count)
  await survey(run, (decision, look, path) => {
    if (decision.go || !NOT_CHOSEN.has(decision.reason)) newest.add(path, timeOf(look, basis))
  })
  const paths = newest.paths()
  return (path) => paths.has(path)
}

interface Pressure {
  readonly need: number
  readonly wanted: number
  readonly freeBefore: number
  readonly isNeeded: Walk['isNeeded']
}

async function decidePressure(run: Run): Promise<Pressure | null> {
  const { payload, around, target, startedAt } = run
  if (payload.until_free === undefined) return null
  const space = await around.freeSpace(target.root)
  const wanted = wantedFree(payload.until_free, space)
  const need = wanted - space.freeBytes
  const known = { need, wanted, freeBefore: space.freeBytes }
  if (need <= 0 || wanted <= 0) return { ...known, need: 0, isNeeded: () => false }
  const ages = createAgeHistogram()
  const ageOf = (look: Look) => startedAt - timeOf(look, payload.basis)
  const linked = createLinkedFiles()
  await survey(run, (decision, look) => {
    if (decision.go) ages.add(ageOf(look), linked.freed(look))
  })
  const choose = ages.chooser(need)
  return { ...known, isNeeded: (look) => choose(ageOf(look), look.bytes) }
}

async function withPressure(
  findings: Findings,
  { payload, around, target }: Run,
  { wanted, freeBefore }: Pressure,
): Promise<Findings> {
  const { freeBytes } = await around.freeSpace(target.root)
  const reached = freeBytes >= wanted
  const pressure = { wanted_bytes: wanted, free_before: freeBefore, free_after: freeBytes, reached }
  const isShort = !reached && !payload.dry_run && findings.outcome === 'done'
  return { ...findings, pressure, outcome: isShort ? 'partial' : findings.outcome }
}

function readCheckpoint(value: unknown): Checkpoint | null {
  if (typeof value !== 'object' || value === null || !('started_at' in value)) return null
  const saved = value as Checkpoint
  return { ...saved, position: isPosition(saved.position) ? saved.position : null }
}

export async function statFree(path: string) {
  return freeSpaceOf(await statfs(path))
}
