import { crashPoint } from '../crash-point.js'
import { isFatal, toStoreError } from './failures.js'
import type { Store } from './store.js'
import type { WorkerError } from '../errors.js'

/**
 * `BEGIN IMMEDIATE` → work → `COMMIT`. Throws `WorkerError`: after `outcome_unknown` the work may have been done, after others it was not.
 * After an I/O error or corruption `onFatal` is called once and nothing is written any more.
 */
export function createTransact(store: Store, onFatal: (error: WorkerError) => void) {
  const { db } = store
  const { tally } = store.base
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  let broken: WorkerError | null = null

  function undo(error: unknown, committing: boolean): WorkerError {
    tally.forget()
    const failure = toStoreError(error, committing)
    if (isFatal(error)) {
      broken = failure
      onFatal(failure)
    } else if (db.isTransaction) db.exec('ROLLBACK')
    return failure
  }

  return function transact<T>(work: () => T): T {
    if (broken) throw broken
    let committing = false
    try {
      begin.run()
      const value = work()
      tally.flush()
      crashPoint('before_commit')
      committing = true
      commit.run()
      crashPoint('after_commit')
      return value
    } catch (error) {
      throw undo(error, committing)
    }
  }
}

export type Transact = ReturnType<typeof createTransact>
