import { createBudget, type Budget, type Truncation } from './files/budget.js'
import { type Folder, type Look, systemCode } from './files/folder.js'
import { type HubRepo, type SnapshotFolder, blobsOf, lastUse, readRepo, within } from './files/hub-repo.js'
import { type ByteString, pathText, textOf } from './files/names.js'
import type { OpenFiles } from './files/open-files.js'
import { matcherOf } from './files/patterns.js'
import { removeEntry } from './files/removals.js'
import { openRoot } from './files/root.js'
import { type Tally, countDeleted, countError, countSkipped, newTally } from './files/tally.js'
import { ageMs } from './age.js'
import type { HubTarget } from './options.js'
import type { Payload } from './payload.js'
import { type Findings, nothingFound } from './result.js'
import { decideAgeMs } from './selection.js'
import type { Surroundings } from './surroundings.js'
import type { TaskContext } from './task-context.js'

const LISTED = 1_000

interface Hub {
  readonly payload: Payload
  readonly cutoff: number
  readonly open: OpenFiles
  readonly budget: Budget
  readonly tally: Tally
  readonly signal: AbortSignal
}

/** A limit was reached. Thrown through the folders on the way, caught in `cleanHub`. */
class Stopped extends Error {
  readonly by: Truncation

  constructor(by: Truncation) {
    super(by)
    this.by = by
  }
}

/**
 * The cache of the Hugging Face hub: revisions that no ref names and nobody has used since, blobs that no revision needs any more, downloads that were
 * given up, and their locks. A repository that cannot be read whole is left alone.
 */
export async function cleanHub(
  target: HubTarget,
  payload: Payload,
  around: Surroundings,
  context: TaskContext,
): Promise<Findings> {
  const olderThanMs = decideAgeMs(payload.target, target, payload.older_than)
  const root = await openRoot({
    target: payload.target,
    path: target.root,
    allowMountRoot: target.allowMountRoot,
    dataDir: around.dataDir,
  })
  if (root === null) return { ...nothingFound(), outcome: 'absent' }
  const tally = newTally()
  const limit = payload.max_duration === undefined ? Infinity : ageMs(payload.max_duration)
  const stopAt = performance.now() + Math.min(limit, context.task.deadline - Date.now() - 5_000)
  const hub: Hub = {
    payload,
    cutoff: around.now() - olderThanMs,
    open: await around.openFiles(),
    budget: createBudget(
      { maxFiles: payload.max_files ?? null, maxBytes: payload.max_bytes ?? null, stopAt },
      { files: 0, bytes: 0 },
    ),
    tally,
    signal: context.signal,
  }
  let truncatedBy: Truncation | null = null
  try {
    await cleanRepos(hub, root.folder, context)
  } catch (error) {
    if (!(error instanceof Stopped)) throw error
    truncatedBy = error.by
  } finally {
    await root.folder.close()
  }
  const left = truncatedBy !== null || tally.error_count > 0
  const outcome = left ? 'partial' : 'done'
  return { ...nothingFound(), ...tally, outcome, safety: root.folder.safety, truncated_by: truncatedBy }
}

async function cleanRepos(hub: Hub, root: Folder, context: TaskContext): Promise<void> {
  const { include, exclude } = hub.payload
  const isIncluded = include.length === 0 ? () => true : matcherOf(include)
  const isExcluded = matcherOf(exclude)
  const names: ByteString[] = []
  for await (const name of root.names()) {
    if (/^(models|datasets|spaces)--/.test(name) && isIncluded(textOf(name)) && !isExcluded(textOf(name)))
      names.push(name)
  }
  for (const name of names.toSorted()) {
    hub.signal.throwIfAborted()
    context.progress(hub.tally.scanned, null, textOf(name))
    try {
      await within(root, name, (repo) => cleanRepo(hub, repo))
      await within(root, '.locks', (locks) => within(locks, name, (folder) => removeOld(hub, folder, isLock)))
    } catch (error) {
      if (error instanceof Stopped || hub.signal.aborted) throw error
      countError(hub.tally, [name], systemCode(error))
    }
  }
}

async function cleanRepo(hub: Hub, folder: Folder): Promise<void> {
  const repo = await readRepo(folder)
  const kept = repo.snapshots.filter((snapshot) => isKept(hub, repo, snapshot))
  const doomed = repo.snapshots.filter((snapshot) => !kept.includes(snapshot))
  // links first: a run that is stopped in between leaves blobs that nothing needs, and the next one takes them
  await within(folder, 'snapshots', async (snapshots) => {
    for (const snapshot of doomed) await removeSnapshot(hub, snapshots, snapshot)
  })
  // read again: a link that could not be removed, or that a download has made meanwhile, needs its blob
  const left = hub.payload.dry_run ? kept : (await readRepo(folder)).snapshots
  const needed = new Set(left.flatMap(blobsOf))
  await within(folder, 'blobs', (blobs) => removeOld(hub, blobs, (name) => !needed.has(name), hub.tally))
}

function isKept({ tally, cutoff }: Hub, { refs, blobs }: HubRepo, snapshot: SnapshotFolder): boolean {
  const reason = refs.has(snapshot.name) ? 'referenced' : lastUse(snapshot, blobs) >= cutoff ? 'young' : null
  if (reason !== null) countSkipped(tally, reason)
  return reason !== null
}

async function removeSnapshot(hub: Hub, parent: Folder, snapshot: SnapshotFolder): Promise<void> {
  await within(parent, snapshot.name, async (folder) => {
    for (const { name, look } of snapshot.entries) await removeOne(hub, folder, name, look)
    for (const inner of snapshot.folders) await removeSnapshot(hub, folder, inner)
  })
  if (!hub.payload.dry_run) {
    try {
      await parent.rmdir(snapshot.name)
    } catch (error) {
      return countError(hub.tally, [...parent.parts, snapshot.name], systemCode(error))
    }
  }
  hub.tally.directories_deleted += 1
}

function isLock(name: ByteString): boolean {
  return name.endsWith('.lock')
}

/** Files of the folder that nothing has touched since the cutoff. `referenced` ones are counted where a tally is given. */
async function removeOld(
  hub: Hub,
  folder: Folder,
  isWanted: (name: ByteString) => boolean,
  referenced?: Tally,
): Promise<void> {
  for await (const name of folder.names()) {
    const look = await folder.look(name)
    if (look?.kind !== 'file') continue
    if (!isWanted(name)) {
      if (referenced !== undefined) countSkipped(referenced, 'referenced')
    } else if (Math.max(look.mtimeMs, look.ctimeMs) >= hub.cutoff) countSkipped(hub.tally, 'young')
    else await removeOne(hub, folder, name, look)
  }
}

async function removeOne(hub: Hub, folder: Folder, name: ByteString, look: Look): Promise<void> {
  const { tally, budget, payload, open, signal } = hub
  signal.throwIfAborted()
  tally.scanned += 1
  tally.matched += 1
  if (open.has(look.device, look.inode)) return countSkipped(tally, 'open')
  if (budget.isTooLarge(look.bytes)) return countSkipped(tally, 'too_large')
  const limit = budget.isLate() ? 'max_duration' : budget.take(look.bytes)
  if (limit !== null) throw new Stopped(limit)
  const path = pathText([...folder.parts, name])
  if (!payload.dry_run) {
    const end = await removeEntry(folder, { name, look })
    if (end !== 'gone') budget.giveBack(look.bytes)
    if (end === 'vanished' || end === 'changed') return countSkipped(tally, end)
    if (end !== 'gone') return countError(tally, [...folder.parts, name], end.fault)
  }
  countDeleted(tally, { path, bytes: look.bytes }, LISTED)
}
