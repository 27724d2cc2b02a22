import { fdatasync, openSync, writeSync } from 'node:fs'
import { monotonicMs } from './monotonic.ts'

/** What really happened, as the processes under test saw it; one JSON line each. `t` in monotonic milliseconds, `d` the delivery. */
export type LedgerLine =
  | { readonly e: 'boot'; readonly pid: number; readonly t: number }
  /** A handler began. `kept`: the checkpoint that it was given, 0 for none. */
  | {
      readonly e: 'start'
      readonly id: string
      readonly d: number
      readonly a: number
      readonly pid: number
      readonly t: number
      readonly kept: number
    }
  /** A handler is about to return (`hash`: of its result) or to throw (`why`). Not written by one that was killed. */
  | {
      readonly e: 'end'
      readonly id: string
      readonly d: number
      readonly pid: number
      readonly t: number
      readonly hash?: string
      readonly why?: string
    }
  /** A checkpoint was stored. */
  | { readonly e: 'kept'; readonly id: string; readonly d: number; readonly n: number; readonly t: number }
  /** A submit was answered. `sum`: of the payload. */
  | {
      readonly e: 'ack'
      readonly id: string
      readonly t: number
      readonly sum: string
      readonly key?: string
      readonly parent?: string
    }
  | { readonly e: 'cancelling'; readonly id: string; readonly t: number }
  | { readonly e: 'cancel'; readonly id: string; readonly t: number; readonly answer: string }
  /** A handler was given something other than what was submitted. */
  | {
      readonly e: 'wrong'
      readonly id: string
      readonly d: number
      readonly t: number
      readonly what: string
    }

type Line<E> = E extends LedgerLine ? Omit<E, 't'> : never

export interface Ledger {
  /** Written before it returns: a kill later than that does not lose it. */
  write(line: Line<LedgerLine>): void
  /** Resolves when it is on the disk; those of one moment share an fsync. */
  keep(line: Line<LedgerLine>): Promise<void>
}

export function openLedger(file: string): Ledger {
  // append-only: a process's threads share the file without mixing their lines
  const fd = openSync(file, 'a')
  let waiting: (() => void)[] = []
  let syncing = false

  function write(line: Line<LedgerLine>): void {
    writeSync(fd, `${JSON.stringify({ ...line, t: monotonicMs() })}\n`)
  }

  function sync(): void {
    const served = waiting
    waiting = []
    syncing = true
    fdatasync(fd, (error) => {
      if (error) throw error
      syncing = false
      for (const resolve of served) resolve()
      if (waiting.length > 0) sync()
    })
  }

  return {
    write,
    keep(line) {
      write(line)
      return new Promise((resolve) => {
        waiting.push(resolve)
        if (!syncing) sync()
      })
    },
  }
}
