import { setImmediate } from 'node:timers/promises'
import type { OptimizePayload, VectorIndexResult } from './payload.js'
import type { VectorStore } from './store.js'
import { createTally } from './tally.js'
import { resultOf, type TaskContext } from './task-context.js'
import { purgeWaste } from './waste.js'

/** `optimize`: waste is removed, then space is given back to the disk, in slices between which others write. Says the store's size before and after. */
export async function optimizeStore(
  payload: OptimizePayload,
  { store }: { readonly store: VectorStore },
  context: TaskContext,
): Promise<VectorIndexResult> {
  const { signal } = context
  const before = await store.size()
  if (!payload.dry_run) {
    await purgeWaste(store, signal, (documents) =>
      context.progress(documents, null, 'removing what nobody sees'),
    )
    await giveBack(store, context)
  }
  const bytes = { before, after: await store.size() }
  return resultOf(payload, createTally(), await store.describe(payload.collection), { bytes })
}

async function giveBack(store: VectorStore, { signal, progress }: TaskContext): Promise<void> {
  for (let slices = 1; ; slices++) {
    await setImmediate()
    signal.throwIfAborted()
    const { left } = await store.optimize({ signal })
    progress(slices, slices + left, 'giving space back')
    if (left === 0) return
  }
}
