import type { MessagePort } from 'node:worker_threads'
import type { AbortReason, ChildOptions, InstrumentSpec } from '../plugin.js'
import type { LogLine, Progress } from '../task.js'
import type { Outcome, ServiceCall } from './host.js'
import type { WireThrown } from './thrown-wire.js'

/**
 * What crosses between the worker and a plugin's thread: a port of its own, so that a plugin that uses `parentPort` disturbs nothing. A
 * task's messages carry its fence; those of another delivery than the current one are ignored. Payloads and results cross as JSON text: the
 * parse is the thread's.
 */
export interface ThreadData {
  readonly port: MessagePort
  /** Whom the module is expected to make. */
  readonly plugin: string
  readonly module: string
  /** What the module's default export is called with. */
  readonly givenOptions: unknown
  /** What the options schema made of them, for `setup`. */
  readonly options: unknown
  readonly dataDir: string
  readonly provided: ReadonlySet<string>
}

/** One delivery, without what only the worker's side needs. */
export interface PortTask {
  readonly fence: string
  readonly taskId: string
  readonly type: string
  readonly version: number
  readonly payload: string
  readonly checkpoint: string | null
  readonly attempt: number
  readonly delivery: number
  readonly deadline: number
  readonly graceMs: number
}

export type ToThread =
  | { readonly kind: 'perform'; readonly task: PortTask }
  | { readonly kind: 'abort'; readonly fence: string; readonly reason: AbortReason }
  | { readonly kind: 'ask'; readonly ref: number; readonly ask: AskOfPlugin }
  /** The asker does not wait any longer: the question's signal aborts. */
  | { readonly kind: 'give_up'; readonly ref: number }
  | { readonly kind: 'answer'; readonly ref: number; readonly answer: Answer }
  /** Stop what runs, tear down, say `stopped`. */
  | { readonly kind: 'stop' }

export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'start_failed'; readonly error: WireThrown }
  | { readonly kind: 'outcome'; readonly fence: string; readonly outcome: Outcome }
  /** The thread's event loop turns: it need not be killed at once. */
  | { readonly kind: 'abort_seen'; readonly fence: string }
  | { readonly kind: 'give_up_seen'; readonly ref: number }
  | { readonly kind: 'progress'; readonly fence: string; readonly progress: Progress }
  | { readonly kind: 'ask'; readonly ref: number; readonly ask: AskOfWorker }
  /** The plugin does not wait any longer: the signal of what it asked aborts. */
  | { readonly kind: 'give_up'; readonly ref: number }
  | { readonly kind: 'answer'; readonly ref: number; readonly answer: Answer }
  | { readonly kind: 'log'; readonly lines: readonly PortLine[] }
  | { readonly kind: 'instrument'; readonly ref: number; readonly instrument: Instrument }
  | { readonly kind: 'measure'; readonly updates: readonly Update[] }
  | { readonly kind: 'stopped'; readonly error: WireThrown | null }

/** What the worker asks the plugin in the front thread. */
export type AskOfPlugin =
  | { readonly what: 'query'; readonly name: string; readonly input: unknown }
  | { readonly what: 'health' }
  | ({ readonly what: 'call' } & ServiceCall)

/** What the plugin in a thread asks the worker. */
export type AskOfWorker =
  | { readonly what: 'checkpoint'; readonly fence: string; readonly value: string | null }
  | {
      readonly what: 'submit'
      readonly fence: string
      readonly type: string
      readonly payload: string
      readonly options: ChildOptions
    }
  | ({ readonly what: 'call' } & ServiceCall)

export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: WireThrown }

export interface PortLine {
  /** Of the delivery that logged it; null: the plugin itself. */
  readonly fence: string | null
  readonly level: LogLine['level']
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

export interface Instrument {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly spec: InstrumentSpec<string> & { readonly buckets?: readonly number[] }
}

/** Of a counter the sum, of a gauge the last value, of a histogram each value since the last update. */
export interface Update {
  readonly ref: number
  readonly labels: Readonly<Record<string, string>> | undefined
  readonly values: readonly number[]
}
