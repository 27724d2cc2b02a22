import { crashPoint } from '../crash-point.js'
import { isFatal, toStoreError } from './failures.js'
import type { Store } from './store.js'
import { isWorkerError, type WorkerError } from '../errors.js'

/** After an I/O error or corruption, met by either, `onFatal` is called once, and nothing is written or read any more. */
export interface Transactions {
  /**
   * `BEGIN IMMEDIATE` → work → `COMMIT`. Throws `WorkerError`: after `outcome_unknown` the work may have been done, after others it was not.
   */
  readonly transact: <T>(work: () => T) => T
  /** Looks without changing anything. Throws `WorkerError`. */
  readonly read: <T>(look: () => T) => T
}

export function createTransactions(store: Store, onFatal: (error: WorkerError) => void): Transactions {
  const { db } = store
  const { tally } = store.base
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  let broken: WorkerError | null = null

  function undo(error: unknown, committing: boolean): WorkerError {
    tally.forget()
    const failure = failed(error, committing)
    if (!broken && db.isTransaction) db.exec('ROLLBACK')
    return failure
  }

  function failed(error: unknown, committing: boolean): WorkerError {
    if (isWorkerError(error)) return error
    const failure = toStoreError(error, committing)
    if (isFatal(error)) {
      broken = failure
      onFatal(failure)
    }
    return failure
  }

  function read<T>(look: () => T): T {
    if (broken) throw broken
    try {
      return look()
    } catch (error) {
      throw failed(error, false)
    }
  }

  function transact<T>(work: () => T): T {
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
  return { transact, read }
}

export type Transact = Transactions['transact']
