import { type Checkpoint, openJournal } from './journal.js'
import type { DropPayload, VectorIndexResult } from './payload.js'
import type { RemoveAnswer, VectorStore } from './store.js'
import { createTally } from './tally.js'
import { resultOf, type TaskContext } from './task-context.js'
import { purgeWaste } from './waste.js'

/** `drop`: the collection is gone at once, its rows are removed slice by slice. One that is not there is no fault. */
export async function dropCollection(
  payload: DropPayload,
  { store }: { readonly store: VectorStore },
  context: TaskContext,
): Promise<VectorIndexResult> {
  const { collection } = payload
  if (payload.dry_run) {
    const info = await store.describe(collection)
    return resultOf(payload, { ...createTally(), deleted: info?.count ?? 0, chunks: info?.chunks ?? 0 }, info)
  }
  const journal = await openJournal(payload, { store, context })
  // a retried task must not drop what was indexed anew meanwhile
  const dropped =
    journal.found ??
    checkpointOf(await store.drop(collection, { signal: context.signal, ...journal.mark(checkpointOf) }))
  await journal.save(dropped)
  await purgeWaste(store, context.signal, (documents) => context.progress(documents, null, 'removing rows'))
  await journal.end()
  return resultOf(payload, dropped.tally, await store.describe(collection))
}

function checkpointOf({ documents, chunks }: RemoveAnswer): Checkpoint {
  return { next: 1, tally: { ...createTally(), deleted: documents, chunks } }
}
