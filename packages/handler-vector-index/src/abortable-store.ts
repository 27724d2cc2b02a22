import { orAbort } from './or-abort.js'
import type { VectorStore } from './store.js'

/**
 * The store as one task or query sees it: what only reads is not waited for after the signal's abort, also while the engine connects or its server hangs. Writes
 * have a signal of their own.
 */
export function abortableStore(store: VectorStore, signal: AbortSignal): VectorStore {
  const soon = <T>(work: Promise<T>): Promise<T> => orAbort(work, signal)
  return {
    ...store,
    collections: () => soon(store.collections()),
    describe: (collection) => soon(store.describe(collection)),
    lookup: (collection, ids) => soon(store.lookup(collection, ids)),
    read: (collection, ids) => soon(store.read(collection, ids)),
    list: (question) => soon(store.list(question)),
    search: (question) => soon(store.search(question)),
    countTargets: (target) => soon(store.countTargets(target)),
    readMark: (task) => soon(store.readMark(task)),
    size: () => soon(store.size()),
  }
}
