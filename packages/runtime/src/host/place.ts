import { parseDuration } from '../duration.js'
import { isNonRetryable, isWorkerError, WorkerError } from '../errors.js'
import { describeFaults } from '../faults.js'
import type { ErasedQuerySpec, Plugin } from '../plugin.js'
import { toTaskError } from '../task-error.js'
import { check } from './check.js'
import { execute } from './execute.js'
import { AbortedWork, type HostSurroundings, type Outcome, type ServiceCall, type Work } from './host.js'
import { prepareHandlers } from './prepared-handler.js'
import { raceAbort } from './race-abort.js'
import { callImplementation, implementationsOf, servicesOf, type Implementations } from './services.js'
import type { Life, Surroundings } from './task-context.js'

/** A plugin that is set up in this event loop: the main one (`inline.ts`), or a thread's (`thread-main.ts`). */
export interface Place {
  /** Rejects with the signal's reason when it aborts first; what the setup still makes is torn down then. */
  start(signal: AbortSignal): Promise<void>
  /** Never rejects. */
  run(work: Work, life: Life): Promise<Outcome>
  query(name: string, input: unknown, signal: AbortSignal): Promise<unknown>
  call(call: ServiceCall, signal: AbortSignal): Promise<unknown>
  health(signal: AbortSignal): Promise<void>
  /** Does nothing where the setup did not succeed. */
  teardown(): Promise<void>
}

export function createPlace(plugin: Plugin, around: HostSurroundings): Place {
  const handlers = prepareHandlers(plugin)
  const queries = new Map(plugin.queries.map(({ name, spec }) => [name, spec]))
  const services = servicesOf(plugin.uses, around)
  /** What the setup keeps of its services may be called as long as the plugin lives. */
  const living = new AbortController()
  let ready: (Surroundings & { readonly implementations: Implementations }) | null = null
  const started = () => {
    if (ready === null) throw new WorkerError('service_unavailable', `${plugin.name} is not set up`)
    return ready
  }
  const setup = async (signal: AbortSignal) => {
    const { options, log, metrics, dataDir } = around
    return plugin.setup({ options, services: services(() => living.signal), log, metrics, dataDir, signal })
  }
  const tearDown = async (deps: unknown) => {
    try {
      await plugin.teardown?.({ deps })
    } finally {
      living.abort(new AbortedWork('shutdown'))
    }
  }
  return {
    async start(signal) {
      const setting = setup(signal)
      const deps = await raceAbort(setting, signal).catch((error: unknown) => {
        if (signal.aborted) setting.then(tearDown).catch(() => {})
        throw error
      })
      try {
        const implementations = implementationsOf(plugin, deps)
        ready = { deps, services, metrics: around.metrics, implementations }
      } catch (error) {
        await tearDown(deps)
        throw error
      }
    },
    run: (work, life) => {
      if (ready === null) return Promise.resolve(notReady(plugin))
      return execute(handlers.get(work.type), work, ready, life)
    },
    async query(name, input, signal) {
      const spec = queries.get(name)
      if (spec === undefined) throw new WorkerError('unknown_query', `${plugin.name} has no query ${name}`)
      const { deps } = started()
      return answer(name, spec, { input, deps, services: services(() => signal), signal, log: around.log })
    },
    call: async (call, signal) => callImplementation(started().implementations, call, signal),
    async health(signal) {
      const { deps } = started()
      const well = Promise.resolve().then(() => plugin.health?.({ deps, signal }))
      await raceAbort(well, signal)
    },
    async teardown() {
      const was = ready
      ready = null
      if (was !== null) await tearDown(was.deps)
    },
  }
}

function notReady(plugin: Plugin): Outcome {
  const error = { code: 'service_unavailable', message: `${plugin.name} is not set up` }
  return { kind: 'threw', error, permanent: false, delayMs: null }
}

const DEFAULT_QUERY_TIMEOUT_MS = 10_000

/** How long a query may take, in milliseconds. */
export function queryTimeoutMs(spec: ErasedQuerySpec): number {
  return spec.timeout === undefined ? DEFAULT_QUERY_TIMEOUT_MS : parseDuration(spec.timeout)
}

/** Checked on both sides. Rejects with `invalid_input`, `query_refused`, `query_failed`, or the signal's reason. */
async function answer(
  name: string,
  spec: ErasedQuerySpec,
  context: Parameters<ErasedQuerySpec['run']>[0],
): Promise<unknown> {
  const input = await check(spec.input, context.input)
  if (!input.success) {
    const faults = describeFaults(input.error)
    throw new WorkerError('invalid_input', `the input of ${name} does not fit its schema`, { faults })
  }
  const asked = Promise.resolve().then(() => spec.run({ ...context, input: input.data }))
  const found = await raceAbort(asked, context.signal).catch((cause: unknown) => {
    throw context.signal.aborted || isWorkerError(cause) ? cause : queryFailed(name, cause)
  })
  const output = await check(spec.output, found)
  if (output.success) return output.data
  const faults = describeFaults(output.error)
  throw new WorkerError('query_failed', `the answer of ${name} does not fit its schema`, { faults })
}

/** What the plugin calls permanent is the caller's to mend. */
function queryFailed(name: string, cause: unknown): WorkerError {
  if (isNonRetryable(cause)) {
    const { code, message } = toTaskError(cause, 'query_refused')
    return new WorkerError('query_refused', message, { details: { reason: code } })
  }
  return new WorkerError('query_failed', `the query ${name} failed`, { cause })
}
