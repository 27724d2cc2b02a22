import { WorkerError } from '../errors.js'
import { toTaskError } from '../task-error.js'
import type { Deferred } from './deferred.js'
import { AbortedWork, type HostSurroundings } from './host.js'
import type { AskOfWorker, FromThread, PortLine, ToThread } from './port.js'
import { clearCloneError, type Questions } from './questions.js'
import { createMeter } from './thread-metrics.js'
import { fromThrownWire, toThrownWire } from './thrown-wire.js'

/** What a thread says about the delivery that it runs. */
export interface TaskListener {
  readonly fence: string
  hear(message: Extract<FromThread, { kind: 'outcome' | 'abort_seen' | 'progress' }>): void
  log(line: PortLine): void
  /** Its answer goes back to the thread. */
  ask(question: Extract<AskOfWorker, { what: 'checkpoint' | 'submit' }>): Promise<unknown>
}

/** One thread as the worker knows it. */
export interface ThreadState {
  alive: boolean
  /** It was told to end. */
  expected: boolean
  /** Whom messages about a delivery are for; those with another fence than its own are ignored. */
  listener: TaskListener | null
  giveUpSeen: (ref: number) => void
  readonly ready: Deferred<void>
  readonly stopped: Deferred<void>
  readonly questions: Questions
  /** The signals of what the thread asks and still waits for, by their reference. */
  readonly asked: Map<number, AbortController>
  readonly send: (message: ToThread) => void
}

/** What the worker does with what a thread says. */
export function createReceiver(thread: ThreadState, around: HostSurroundings): (message: FromThread) => void {
  const meter = createMeter(around.metrics)
  return (message) => {
    switch (message.kind) {
      case 'ready':
        return thread.ready.resolve()
      case 'start_failed':
        return thread.ready.reject(fromThrownWire(message.error))
      case 'outcome':
      case 'abort_seen':
      case 'progress':
        return thread.listener?.fence === message.fence ? thread.listener.hear(message) : undefined
      case 'give_up_seen':
        return thread.giveUpSeen(message.ref)
      case 'ask':
        return void answerThread(thread, message.ref, message.ask, around)
      case 'give_up':
        return thread.asked.get(message.ref)?.abort(new AbortedWork('cancel'))
      case 'answer':
        return thread.questions.answer(message.ref, message.answer)
      case 'log':
        return message.lines.forEach((line) => writeLine(thread, line, around))
      case 'instrument':
        return reportRefused(around, () => meter.instrument(message.ref, message.instrument))
      case 'measure':
        return reportRefused(around, () => meter.measure(message.updates))
      case 'stopped':
        return message.error === null
          ? thread.stopped.resolve()
          : thread.stopped.reject(fromThrownWire(message.error))
    }
  }
}

function writeLine(thread: ThreadState, line: PortLine, around: HostSurroundings): void {
  if (line.fence !== null && thread.listener?.fence === line.fence) thread.listener.log(line)
  else around.log[line.level](line.event, line.fields)
}

/** A metric that the worker refuses is no reason to lose a thread. */
function reportRefused(around: HostSurroundings, use: () => void): void {
  try {
    use()
  } catch (error) {
    const { message } = toTaskError(error, 'handler_failed')
    around.log.error('plugin_metric_refused', { error: message })
  }
}

async function answerThread(
  thread: ThreadState,
  ref: number,
  question: AskOfWorker,
  around: HostSurroundings,
): Promise<void> {
  const controller = new AbortController()
  thread.asked.set(ref, controller)
  try {
    const value = await answerOf(question, thread.listener, around, controller.signal)
    thread.send({ kind: 'answer', ref, answer: { ok: true, value } })
  } catch (error) {
    const what =
      question.what === 'call' ? `the answer of ${question.service}.${question.method}` : 'the answer'
    const clear = toThrownWire(clearCloneError(error, what))
    thread.send({ kind: 'answer', ref, answer: { ok: false, error: clear } })
  } finally {
    thread.asked.delete(ref)
  }
}

async function answerOf(
  question: AskOfWorker,
  listener: TaskListener | null,
  around: HostSurroundings,
  signal: AbortSignal,
): Promise<unknown> {
  if (question.what === 'call') return around.callService(question, signal)
  if (listener?.fence === question.fence) return listener.ask(question)
  throw new WorkerError('aborted', `${question.what} was called after the delivery of the task had ended`)
}
