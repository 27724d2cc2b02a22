import { setImmediate } from 'node:timers/promises'
import type { VectorIndexMetrics } from './metrics.js'
import type { DeletePayload, VectorIndexResult } from './payload.js'
import type { RemoveAnswer, RemoveTarget, VectorStore } from './store.js'
import { createTally, timed } from './tally.js'
import { type Checkpoint, resultOf, type TaskContext } from './task-context.js'

export interface DeleteDeps {
  readonly store: VectorStore
  readonly metrics: VectorIndexMetrics
}

/** `delete`: transactions of at most `batch_size` documents until none is left. What is not there is no fault. */
export async function deleteDocuments(
  payload: DeletePayload,
  { store, metrics }: DeleteDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  const targets = targetsOf(payload)
  const tally = context.checkpoint.get<Checkpoint>()?.tally ?? createTally()
  let left = 0
  for (const target of targets) left += await store.countTargets(target)
  if (payload.dry_run)
    return resultOf(payload, { ...tally, deleted: left }, await store.describe(payload.collection))
  const total = tally.deleted + left
  for (const target of targets) {
    let removed: RemoveAnswer
    do {
      await setImmediate()
      context.signal.throwIfAborted()
      removed = await timed(tally, 'write_seconds', () =>
        metrics.timeWrite(() => store.remove(target, payload.batch_size, context.signal)),
      )
      if (removed.documents === 0) break
      tally.deleted += removed.documents
      tally.chunks += removed.chunks
      metrics.documents.inc({ outcome: 'deleted' }, removed.documents)
      await context.checkpoint.set({ next: tally.deleted, source: 'delete', tally } satisfies Checkpoint)
      context.progress(tally.deleted, Math.max(total, tally.deleted))
    } while (removed.documents === payload.batch_size)
  }
  return resultOf(payload, tally, await store.describe(payload.collection))
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
  if (ids !== undefined) return slices(ids, batch_size).map((part) => ({ collection, which: { ids: part } }))
  if (source_ids === undefined) return [{ collection, which: { all: true } }]
  return slices(source_ids, batch_size).map((part) => ({ collection, which: { sourceIds: part } }))
}

function slices<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
}
