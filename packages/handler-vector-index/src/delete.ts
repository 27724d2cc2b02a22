import { setImmediate } from 'node:timers/promises'
import { type Checkpoint, type Journal, openJournal } from './journal.js'
import type { VectorIndexMetrics } from './metrics.js'
import type { DeletePayload, VectorIndexResult } from './payload.js'
import { createProgress } from './progress.js'
import type { RemoveAnswer, RemoveTarget, VectorStore } from './store.js'
import { copyTally, createTally, type Tally, timed } from './tally.js'
import { resultOf, type TaskContext } from './task-context.js'

export interface DeleteDeps {
  readonly store: VectorStore
  readonly metrics: VectorIndexMetrics
}

/** `delete`: transactions of at most `batch_size` documents until none is left. What is not there is no fault. */
export async function deleteDocuments(
  payload: DeletePayload,
  deps: DeleteDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  const { store } = deps
  const journal = await openJournal(payload, { store, context })
  const tally = journal.found?.tally ?? createTally()
  const targets = targetsOf(payload)
  let left = 0
  for (const target of targets) left += await store.countTargets(target)
  if (payload.dry_run)
    return resultOf(payload, { ...tally, deleted: left }, await store.describe(payload.collection))
  const total = tally.deleted + left
  const progress = createProgress(context, { start: tally.deleted })
  for (const target of targets) {
    let removed: RemoveAnswer
    do {
      await setImmediate()
      context.signal.throwIfAborted()
      removed = await removeBatch(target, payload.batch_size, {
        deps,
        tally,
        journal,
        signal: context.signal,
      })
      if (removed.documents > 0) progress(tally.deleted, Math.max(total, tally.deleted))
    } while (removed.documents === payload.batch_size)
  }
  await journal.end()
  return resultOf(payload, tally, await store.describe(payload.collection))
}

interface Removing {
  readonly deps: DeleteDeps
  readonly tally: Tally
  readonly journal: Journal
  readonly signal: AbortSignal
  /** Where the task stands when this much is deleted. Default: that of a `delete`. */
  readonly checkpoint?: (tally: Tally) => Checkpoint
}

/** One transaction, counted in the tally, with a checkpoint where anything was there. */
export async function removeBatch(
  target: RemoveTarget,
  limit: number,
  { deps, tally, journal, signal, checkpoint = checkpointOf }: Removing,
): Promise<RemoveAnswer> {
  const mark = journal.mark((answer: RemoveAnswer) => checkpoint(addRemoved(copyTally(tally), answer)))
  const removed = await timed(tally, 'write_seconds', () =>
    deps.metrics.timeWrite(() => deps.store.remove(target, limit, { signal, ...mark })),
  )
  if (removed.documents === 0) return removed
  addRemoved(tally, removed)
  deps.metrics.documents.inc({ outcome: 'deleted' }, removed.documents)
  await journal.save(checkpoint(tally))
  return removed
}

function checkpointOf(tally: Tally): Checkpoint {
  return { next: tally.deleted, tally }
}

function addRemoved(tally: Tally, { documents, chunks }: RemoveAnswer): Tally {
  tally.deleted += documents
  tally.chunks += chunks
  return tally
}

/** Lists are cut into parts of `batch_size`; they may hold thousands of ids that are not there. */
function targetsOf({
  collection,
  ids,
  source_ids,
  filter,
  batch_size,
}: DeletePayload): readonly RemoveTarget[] {
  if (filter !== undefined) return [{ collection, which: { filter } }]
  if (ids !== undefined)
    return slices(unique(ids), batch_size).map((part) => ({ collection, which: { ids: part } }))
  if (source_ids === undefined) return [{ collection, which: { all: true } }]
  return slices(unique(source_ids), batch_size).map((part) => ({ collection, which: { sourceIds: part } }))
}

/** A dry run counts each once. */
function unique(list: readonly string[]): readonly string[] {
  return [...new Set(list)]
}

export function slices<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
}
