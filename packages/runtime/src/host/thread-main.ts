/** The entry of a plugin's thread: imports the plugin's module, sets it up, and does what the port asks. */
import { workerData } from 'node:worker_threads'
import type { AbortReason, Plugin } from '../plugin.js'
import { afterAbort } from './execute.js'
import { AbortedWork, type HostSurroundings, type Outcome, type Work } from './host.js'
import { createPlace, type Place } from './place.js'
import type { Answer, AskOfPlugin, AskOfWorker, FromThread, PortTask, ThreadData, ToThread } from './port.js'
import { clearCloneError, createQuestions } from './questions.js'
import { raceAbort } from './race-abort.js'
import { createThreadLog } from './thread-log.js'
import { createThreadMetrics } from './thread-metrics.js'
import { redirectOutput } from './thread-output.js'
import { createThrottle } from './thread-progress.js'
import { toThrownWire } from './thrown-wire.js'

const data = workerData as ThreadData
const { port } = data
const post = (message: FromThread): void => port.postMessage(message)
const log = createThreadLog(post)
const metrics = createThreadMetrics(post)
const questions = createQuestions()
/** The signals of questions that are being answered, by their reference. */
const asked = new Map<number, AbortController>()
const setup = new AbortController()
let running: Running | null = null

interface Running {
  readonly fence: string
  readonly ended: Promise<void>
  abort(reason: AbortReason): void
}

/** Where the signal aborts first, the worker is told that nobody waits any more. */
async function ask(question: AskOfWorker, signal?: AbortSignal): Promise<unknown> {
  try {
    const { ref, answered } = questions.put((given) => post({ kind: 'ask', ref: given, ask: question }))
    if (signal === undefined) return await answered
    return await raceAbort(answered, signal).finally(() => signal.aborted && post({ kind: 'give_up', ref }))
  } catch (error) {
    const what =
      question.what === 'call' ? `the arguments of ${question.service}.${question.method}` : 'the options'
    throw clearCloneError(error, what)
  }
}

// ── setup ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function importPlugin(): Promise<Plugin> {
  const module = (await import(data.module)) as { readonly default?: unknown }
  if (typeof module.default !== 'function')
    throw new TypeError(`${data.module} has no plugin: write \`export default definePlugin(…)\``)
  const plugin = (module.default as (options: unknown) => Plugin)(data.givenOptions)
  if (plugin.name === data.plugin) return plugin
  throw new TypeError(
    `the default export of ${data.module} makes the plugin ${plugin.name}, expected ${data.plugin}: a plugin needs a module of its own to live in a thread`,
  )
}

const surroundings: HostSurroundings = {
  options: data.options,
  dataDir: data.dataDir,
  log: log.of(null),
  metrics,
  provided: data.provided,
  callService: (call, signal) => ask({ what: 'call', ...call }, signal),
}

async function begin(): Promise<Place> {
  const place = createPlace(await importPlugin(), surroundings)
  await place.start(setup.signal)
  return place
}

// ── a task ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function perform(place: Place, task: PortTask): void {
  const { fence } = task
  const life = { closed: false }
  const throttle = createThrottle((progress) => post({ kind: 'progress', fence, progress }))
  const controller = new AbortController()
  let reason: AbortReason | null = null
  const work: Work = {
    ...task,
    signal: () => controller.signal,
    reports: {
      progress: (progress) => throttle.say(progress),
      checkpoint: async (value) => void (await ask({ what: 'checkpoint', fence, value })),
      submit: (type, payload, options) =>
        ask({ what: 'submit', fence, type, payload, options }) as Promise<{ id: string; duplicate: boolean }>,
      log: log.of(fence),
    },
  }
  const end = (outcome: Outcome): void => {
    running = null
    throttle.flush()
    log.flush()
    metrics.flush()
    post({ kind: 'outcome', fence, outcome: reason === null ? outcome : afterAbort(outcome, reason) })
  }
  const ended = place.run(work, life).then(end)
  running = {
    fence,
    ended,
    abort(why) {
      reason ??= why
      controller.abort(new AbortedWork(why))
    },
  }
}

// ── questions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

async function answer(place: Place, ref: number, question: AskOfPlugin): Promise<void> {
  const controller = new AbortController()
  asked.set(ref, controller)
  const reply = await answerOf(place, question, controller.signal)
  asked.delete(ref)
  try {
    post({ kind: 'answer', ref, answer: reply })
  } catch (error) {
    const what =
      question.what === 'call' ? `the answer of ${question.service}.${question.method}` : 'the answer'
    post({ kind: 'answer', ref, answer: { ok: false, error: toThrownWire(clearCloneError(error, what)) } })
  }
}

async function answerOf(place: Place, question: AskOfPlugin, signal: AbortSignal): Promise<Answer> {
  try {
    return { ok: true, value: await resultOf(place, question, signal) }
  } catch (error) {
    return { ok: false, error: toThrownWire(error) }
  }
}

function resultOf(place: Place, question: AskOfPlugin, signal: AbortSignal): Promise<unknown> {
  switch (question.what) {
    case 'query':
      return place.query(question.name, question.input, signal)
    case 'call':
      return place.call(question, signal)
    default:
      return place.health(signal)
  }
}

// ── the port ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Ends what runs, waits for a setup under way, tears down. The worker ends the thread when it hears `stopped`. */
async function stop(): Promise<void> {
  setup.abort(new AbortedWork('shutdown'))
  for (const controller of asked.values()) controller.abort(new AbortedWork('shutdown'))
  running?.abort('shutdown')
  await running?.ended
  const error = await started
    .then((place) => place?.teardown())
    .then(
      () => null,
      (thrown: unknown) => toThrownWire(thrown),
    )
  log.flush()
  metrics.flush()
  post({ kind: 'stopped', error })
}

function receive(message: ToThread): void {
  switch (message.kind) {
    case 'answer':
      questions.answer(message.ref, message.answer)
      break
    case 'abort':
      post({ kind: 'abort_seen', fence: message.fence })
      if (running?.fence === message.fence) running.abort(message.reason)
      break
    case 'give_up':
      post({ kind: 'give_up_seen', ref: message.ref })
      asked.get(message.ref)?.abort(new AbortedWork('cancel'))
      break
    case 'stop':
      void stop()
      break
    case 'perform':
      void started.then((place) => place && perform(place, message.task))
      break
    case 'ask':
      void started.then((place) => place && answer(place, message.ref, message.ask))
      break
  }
}

redirectOutput((level, event, fields) => log.of(null)[level](event, fields))
port.on('message', receive)
/** Null: it failed, and the worker knows. */
const started: Promise<Place | null> = begin().then(
  (place) => {
    post({ kind: 'ready' })
    return place
  },
  (error: unknown) => {
    post({ kind: 'start_failed', error: toThrownWire(error) })
    return null
  },
)
