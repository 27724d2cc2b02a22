import type { WireError } from '../error-wire.js'
import type { ClaimRequest, ListFilter, QueueLimits, Recovered, Report, Retention, Wake } from '../queue.js'
import type { NewTask, Settlement } from '../task.js'
import type { SqliteDurability } from './schema.js'

/** What the driver (main thread) starts its resident (keeper thread) with. */
export interface ResidentData {
  readonly path: string
  readonly durability: SqliteDurability
  readonly limits: QueueLimits
  readonly owner: string
  /** Submits are refused below this many free bytes; settles still fit. */
  readonly reserveBytes: number
}

/** One call of a queue member. Everything that arrives while a transaction runs goes into the next one. */
export type Op =
  | { readonly op: 'submit'; readonly ref: number; readonly tasks: readonly NewTask[] }
  | { readonly op: 'settle'; readonly ref: number; readonly fence: string; readonly settlement: Settlement }
  | { readonly op: 'record'; readonly ref: number; readonly fence: string; readonly report: Report }
  | { readonly op: 'claim'; readonly ref: number; readonly request: ClaimRequest }
  | { readonly op: 'renew'; readonly ref: number; readonly fences: readonly string[] }
  | { readonly op: 'requestCancel'; readonly ref: number; readonly id: string }
  | { readonly op: 'replay'; readonly ref: number; readonly id: string }
  | { readonly op: 'pause'; readonly ref: number; readonly type: string }
  | { readonly op: 'resume'; readonly ref: number; readonly type: string }
  | {
      readonly op: 'prune'
      readonly ref: number
      readonly policy: Retention
      readonly limit: number
      readonly dryRun: boolean
    }
  | { readonly op: 'get'; readonly ref: number; readonly id: string }
  | { readonly op: 'list'; readonly ref: number; readonly filter: ListFilter }
  | { readonly op: 'counts'; readonly ref: number }

export type OpName = Op['op']

export interface Answer {
  readonly ref: number
  readonly value?: unknown
  readonly error?: WireError
}

/** One message per transaction. */
export interface FromResident {
  readonly answers: readonly Answer[]
  readonly wake: Wake | null
  /** How long the transaction took, its fsync included; null where nothing was written. */
  readonly commitMs: number | null
  /** Since the last message. */
  readonly recovered: readonly Recovered[]
  /** The store can't be trusted any more. */
  readonly fatal: WireError | null
}
