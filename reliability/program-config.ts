import type { QueueCounts, Submission, SubmitOptions, Task } from '@mcp-worker/runtime'
import type { LoadPlan } from './load.ts'

/** What a worker program is started with (environment variable PROGRAM, JSON). */
export interface ProgramConfig {
  readonly dir: string
  /** Holds the queue file. */
  readonly queueDir: string
  readonly ledger: string
  readonly role: 'all' | 'api' | 'worker'
  readonly concurrency: number
  readonly leaseMs: number
  readonly maxCrashes: number
  readonly abortGraceMs: number
  readonly stopTimeoutMs: number
  readonly reserveBytes: number
  readonly durability: 'power' | 'process'
  /** Final tasks that are kept; null: the default. */
  readonly keepFinal: number | null
  readonly load: LoadPlan | null
  /** Plugins beside the ledger's. */
  readonly plugins: readonly ('spin' | 'inline-spin' | 'misdeed' | 'inline-misdeed')[]
}

/** Parent → program, over IPC. */
export type Question =
  | {
      readonly ask: 'submit'
      readonly type: string
      readonly payload: unknown
      readonly options: SubmitOptions
    }
  /** One transaction, so that one claim finds them all. */
  | { readonly ask: 'submitMany'; readonly submissions: readonly Submission[] }
  | { readonly ask: 'get'; readonly id: string }
  | { readonly ask: 'cancel'; readonly id: string }
  | { readonly ask: 'counts' }
  /** Writes every task, a JSON line each. */
  | { readonly ask: 'dump'; readonly file: string }
  /** Submits canaries at a steady rate from now on; `0` ends it. */
  | { readonly ask: 'canary'; readonly everyMs: number }
  | { readonly ask: 'rss' }

export interface Answers {
  readonly submit: { readonly id: string }
  readonly submitMany: readonly { readonly id: string }[]
  readonly get: Task | null
  readonly cancel: string
  readonly counts: QueueCounts
  readonly dump: number
  readonly canary: null
  readonly rss: number
}

export type FromProgram =
  | { readonly told: 'ready'; readonly t: number }
  | { readonly told: 'refused'; readonly code: string; readonly message: string }
  | { readonly told: 'answer'; readonly ref: number; readonly value: unknown }
  | { readonly told: 'error'; readonly ref: number; readonly code: string; readonly message: string }
