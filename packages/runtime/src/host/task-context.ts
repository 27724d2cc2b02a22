import { WorkerError } from '../errors.js'
import { parseDuration } from '../duration.js'
import { MAX_PAYLOAD_BYTES, toJsonText } from '../json.js'
import type { ChildOptions, Duration, PluginLog, PluginMetrics, RunContext, TaskInfo } from '../plugin.js'
import { cutToBytes, redact, stripControl } from '../redact.js'
import type { Work } from './host.js'
import type { ServicesUnder } from './services.js'

/** What a handler is given beside its task: the same for all tasks of a plugin in one host. */
export interface Surroundings {
  readonly deps: unknown
  readonly services: ServicesUnder
  readonly metrics: PluginMetrics
}

/** Set once the delivery has ended, whether its handler knows or not: from then on nothing that it says is passed on. */
export interface Life {
  closed: boolean
}

const MAX_NOTE_BYTES = 300
const MAX_CHECKPOINT_BYTES = 256 * 1024
const PAYLOAD_LIMIT = {
  maxBytes: MAX_PAYLOAD_BYTES,
  tooLarge: 'payload_too_large',
  what: 'the payload of the child task',
} as const
const CHECKPOINT_LIMIT = {
  maxBytes: MAX_CHECKPOINT_BYTES,
  tooLarge: 'payload_too_large',
  what: 'the checkpoint',
} as const

/**
 * A class, and closures only where handlers take members out (`({ progress }) => …`): one is made per task. An accessor of its own per
 * object would cost ten times the rest, so that `signal` is on the prototype: `{ ...context }` does not carry it.
 */
export class TaskContext implements RunContext<unknown, unknown, unknown> {
  readonly payload: unknown
  readonly deps: unknown
  readonly services: unknown
  readonly metrics: PluginMetrics
  readonly log: PluginLog
  readonly task: TaskInfo
  readonly progress: RunContext<unknown, unknown, unknown>['progress']
  readonly checkpoint: RunContext<unknown, unknown, unknown>['checkpoint']
  readonly submit: RunContext<unknown, unknown, unknown>['submit']
  readonly snooze: (until: Date | Duration) => never
  readonly #work: Work
  #checkpoint: string | null
  #done = 0
  readonly #life: Life

  constructor(payload: unknown, work: Work, around: Surroundings, life: Life) {
    this.payload = payload
    this.deps = around.deps
    this.services = around.services(() => work.signal())
    this.metrics = around.metrics
    this.log = work.reports.log
    this.task = taskInfo(work)
    this.#work = work
    this.#life = life
    this.#checkpoint = work.checkpoint
    this.progress = (done, total = null, note) => this.#report(done, total, note)
    this.checkpoint = {
      get: () => (this.#checkpoint === null ? null : JSON.parse(this.#checkpoint)),
      set: (value) => this.#keep(value),
    }
    this.submit = (type, child, options) => this.#submit(type, child, options)
    this.snooze = snooze
  }

  get signal(): AbortSignal {
    return this.#work.signal()
  }

  #report(done: number, total: number | null, note: string | undefined): void {
    if (this.#life.closed || !Number.isFinite(done)) return
    this.#done = Math.max(this.#done, done)
    const known = total !== null && Number.isFinite(total) ? total : null
    const said = note === undefined ? null : cutToBytes(redact(stripControl(note)), MAX_NOTE_BYTES)
    this.#work.reports.progress({ done: this.#done, total: known, note: said })
  }

  async #keep(value: unknown): Promise<void> {
    this.#refuseAfterEnd('checkpoint')
    const text = value === null ? null : toJsonText(value, CHECKPOINT_LIMIT)
    await this.#work.reports.checkpoint(text)
    this.#checkpoint = text
  }

  async #submit(
    type: string,
    payload: unknown,
    options: ChildOptions,
  ): Promise<{ id: string; duplicate: boolean }> {
    this.#refuseAfterEnd('submit')
    return this.#work.reports.submit(type, toJsonText(payload, PAYLOAD_LIMIT), options)
  }

  #refuseAfterEnd(member: string): void {
    if (this.#life.closed)
      throw new WorkerError('aborted', `${member} was called after the delivery of the task had ended`)
  }
}

function taskInfo(work: Work): TaskInfo {
  return {
    id: work.taskId,
    type: work.type,
    version: work.version,
    attempt: work.attempt,
    delivery: work.delivery,
    deadline: work.deadline,
  }
}

const SNOOZE = Symbol.for('@mcp-worker/snooze')

/** What `context.snooze` throws. An error, so that a handler that catches all shows something readable. */
class Snooze extends Error {
  override readonly name = 'Snooze'
  /** Milliseconds since the epoch. */
  readonly until: number

  constructor(until: number) {
    super('the task was put off by its handler: let this pass through catch clauses')
    this.until = until
    Object.defineProperty(this, SNOOZE, { value: true })
  }
}

function snooze(until: Date | Duration): never {
  const at = until instanceof Date ? until.getTime() : Date.now() + parseDuration(until)
  if (!Number.isFinite(at)) throw new TypeError('snooze expected a valid date or duration, got Invalid Date')
  throw new Snooze(at)
}

/** Until when a thrown value puts the task off, in milliseconds since the epoch; null: it is no snooze. */
export function snoozedUntil(thrown: unknown): number | null {
  if (typeof thrown !== 'object' || thrown === null || !(SNOOZE in thrown)) return null
  return 'until' in thrown && typeof thrown.until === 'number' ? thrown.until : null
}
