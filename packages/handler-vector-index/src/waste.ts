import { setImmediate } from 'node:timers/promises'
import type { VectorStore } from './store.js'

/** Documents per transaction: few enough that other writers wait for some tens of milliseconds. */
const SLICE = 500

/** Removes what nobody can see any more, slice by slice. `onSlice` is told how many documents are gone so far. */
export async function purgeWaste(
  store: VectorStore,
  signal: AbortSignal,
  onSlice: (documents: number) => void = () => {},
): Promise<void> {
  let purged = 0
  for (;;) {
    await setImmediate()
    signal.throwIfAborted()
    const documents = await store.purge(SLICE, { signal })
    if (documents === 0) return
    purged += documents
    onSlice(purged)
  }
}
