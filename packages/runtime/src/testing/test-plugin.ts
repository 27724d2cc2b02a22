// oxlint-disable vitest/valid-title, vitest/expect-expect -- titles are made from the plugin, deliveries are expected to succeed
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Outcome } from '../host/host.js'
import { newestVersion, payloadSchemas } from '../payload-versions.js'
import type { AbortReason, Handler, HostKind, PayloadInput, Plugin, Query } from '../plugin.js'
import { shakeHands, startTrial, type Trial, type TrialDelivery, type TrialTask } from './plugin-trial.js'

/** What a probe or a preparation may use. */
export interface SampleContext {
  /** The plugin's `dataDir` in this trial, new and empty at the start. */
  readonly dataDir: string
  /** Asks a query of the plugin in its host. */
  query(name: string, input: unknown): Promise<unknown>
}

/** A payload on which a handler is tried, and how its effect is told. */
export interface Sample<Payload = unknown> {
  readonly payload: Payload
  /** Of handlers with versioned payloads: a payload of each older version, which must be migrated and run. */
  readonly older?: Readonly<Record<number, unknown>>
  /** Payloads that must be refused as `invalid_payload`. */
  readonly invalid?: readonly unknown[]
  /** Puts the world (files, tables, a fake server) in place before each trial. Default: nothing to do. */
  readonly prepare?: (context: SampleContext) => Promise<void> | void
  /** What the task has done to the world, in any form that vitest's `toEqual` compares. Default: its result. */
  readonly state?: (context: SampleContext, result: unknown) => unknown
}

type PayloadOf<H extends Handler, T extends string> = PayloadInput<
  Extract<H, { readonly type: T }>['payload']
>

export interface PluginSuiteOptions<H extends Handler, Q extends Query> {
  /** One for each type that the plugin handles. */
  readonly samples: { readonly [T in H['type']]: Sample<PayloadOf<H, T>> }
  /** An input for each query. */
  readonly queries?: { readonly [N in Q['name']]?: unknown }
  /** Implementations of the services that the plugin uses, by the service's name. */
  readonly services?: Readonly<Record<string, object>>
  /**
   * Default: both. A thread imports `plugin.module`, so that must be a file that Node.js can load by itself: test what is built, or name
   * the built file as `module` here.
   */
  readonly hosts?: readonly HostKind[]
  /** The URL of the module that threads import. Default: the plugin's own. */
  readonly module?: string
  /** From the abort to the kill, in milliseconds. Default 5 s, as in the worker. */
  readonly graceMs?: number
  /** Time limit of one test in milliseconds. Default 60 s. */
  readonly timeoutMs?: number
}

/** Checkpoints at which a delivery dies, at most: they are spread over those that the handler sets. */
const MAX_DEATHS = 5

/**
 * Registers a suite for a plugin: that it starts, and that each handler runs, refuses what does not fit, stops when told to, and has the effect
 * of one run however often it is delivered and wherever its worker dies. All in real hosts. Call it at the top of a vitest file.
 *
 * ```ts
 * testPlugin(thumbnail({ bucket: 'x' }), {
 *   samples: { thumbnail: { payload: { url, width: 64 }, state: ({ dataDir }) => readdir(dataDir) } },
 * })
 * ```
 */
export function testPlugin<const Hs extends readonly Handler[], const Qs extends readonly Query[]>(
  plugin: Plugin<Hs, Qs>,
  options: PluginSuiteOptions<Hs[number], Qs[number]>,
): void {
  const tried: Plugin = { ...plugin, module: options.module ?? plugin.module }
  const { hosts = ['inline', 'thread'] } = options
  describe.each(hosts)(`${plugin.name} in the host %s`, (host) => {
    const bench = createBench(tried, host, options)
    testStart(bench)
    for (const handler of plugin.handlers) {
      const sample = (options.samples as Readonly<Record<string, Sample>>)[handler.type]
      describe(handler.type, () => {
        test('has a sample', () => expect(sample).toBeDefined())
        if (sample !== undefined) testHandler(bench, handler, sample)
      })
    }
    for (const { name } of plugin.queries) {
      testQuery(bench, name, (options.queries as Readonly<Record<string, unknown>> | undefined)?.[name])
    }
  })
}

/** What all tests of one host share; each test has a trial of its own. */
interface Bench {
  readonly plugin: Plugin
  readonly host: HostKind
  readonly services: Readonly<Record<string, object>>
  readonly limit: { readonly timeout: number }
  /** Ends with the test. */
  trial(sample?: Sample): Promise<Trial & { readonly context: SampleContext }>
}

function createBench(plugin: Plugin, host: HostKind, options: PluginSuiteOptions<Handler, Query>): Bench {
  const { services = {}, graceMs = 5_000, timeoutMs = 60_000 } = options
  return {
    plugin,
    host,
    services,
    limit: { timeout: timeoutMs },
    async trial(sample) {
      const trial = await startTrial(plugin, { host, services, graceMs })
      onTestFinished(() => trial.end())
      const query = (name: string, input: unknown) =>
        trial.host.query(name, input, AbortSignal.timeout(timeoutMs))
      const context = { dataDir: trial.dataDir, query }
      await sample?.prepare?.(context)
      return { ...trial, context }
    },
  }
}

// ── the plugin ────────────────────────────────────────────────────────────────────────────────────────────────────────

function testStart(bench: Bench): void {
  test('passes the handshake', () => {
    expect(() => shakeHands(bench.plugin, bench)).not.toThrow()
  })
  test('is set up, is well, and is torn down', bench.limit, async () => {
    const { host } = await bench.trial()
    await host.health(AbortSignal.timeout(bench.limit.timeout))
    await host.stop(bench.limit.timeout)
  })
}

function testQuery(bench: Bench, name: string, input: unknown): void {
  test(`answers the query ${name}`, bench.limit, async () => {
    expect(input, `give an input as queries.${name}`).toBeDefined()
    const { context } = await bench.trial()
    await context.query(name, input)
  })
}

// ── a handler ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function testHandler(bench: Bench, handler: Handler, sample: Sample): void {
  const task = { type: handler.type, payload: sample.payload }
  // all tests of a handler are held against one undisturbed run
  let undisturbed: Promise<Run> | null = null
  const reference = () => (undisturbed ??= runWhole(bench, sample, task))
  testPayloads(bench, handler, sample)
  testAborts(bench, sample, task, reference)
  test('has the effect of one run when it is delivered twice', bench.limit, async () => {
    const once = await reference()
    const trial = await bench.trial(sample)
    await succeeded(trial.deliver(task))
    const second = trial.deliver({ ...task, delivery: 2 })
    expect(await effectOf(trial, sample, second)).toEqual(once.effect)
    expect(childrenOf(second)).toEqual(once.children)
  })
  test('has the effect of one run when its worker dies between checkpoints', bench.limit, async () => {
    const once = await reference()
    for (const dieAtCheckpoint of deathsAmong(once.checkpoints)) {
      const trial = await bench.trial(sample)
      const checkpoint = await die(trial, { ...task, dieAtCheckpoint, ...deadly(bench) })
      const again = trial.deliver({ ...task, delivery: 2, checkpoint })
      const effect = await effectOf(trial, sample, again)
      expect(effect, `it died at checkpoint ${dieAtCheckpoint}`).toEqual(once.effect)
    }
  })
  if (bench.host !== 'thread') return
  test('has the effect of one run when its thread is killed in the middle', bench.limit, async () => {
    const once = await reference()
    const trial = await bench.trial(sample)
    const checkpoint = await killAtSign(trial, task)
    const again = trial.deliver({ ...task, delivery: 2, checkpoint })
    expect(await effectOf(trial, sample, again)).toEqual(once.effect)
  })
}

function testPayloads(bench: Bench, handler: Handler, sample: Sample): void {
  const { type } = handler
  test('runs its sample', bench.limit, async () => {
    const trial = await bench.trial(sample)
    await succeeded(trial.deliver({ type, payload: sample.payload }))
  })
  const older = [...payloadSchemas(handler.payload).keys()].filter(
    (v) => v !== newestVersion(handler.payload),
  )
  for (const version of older) {
    test(`migrates and runs version ${version} of its payload`, bench.limit, async () => {
      const payload = sample.older?.[version]
      expect(payload, `give a payload as samples.${type}.older[${version}]`).toBeDefined()
      const trial = await bench.trial(sample)
      await succeeded(trial.deliver({ type, payload, version }))
    })
  }
  const invalid = sample.invalid ?? []
  if (invalid.length === 0) return
  test('refuses what does not fit its payload', bench.limit, async () => {
    const trial = await bench.trial()
    for (const payload of invalid)
      expect(await trial.deliver({ type, payload }).outcome).toMatchObject({ kind: 'invalid_payload' })
  })
}

/** A handler may also succeed in spite of the abort, if it does so within the grace. */
function testAborts(bench: Bench, sample: Sample, task: TrialTask, reference: () => Promise<Run>): void {
  const cases: readonly (readonly [string, AbortReason, 'at once' | 'at its first sign'])[] = [
    ['it is cancelled', 'cancel', 'at its first sign'],
    ['its time is up', 'timeout', 'at its first sign'],
    ['the worker shuts down at once', 'shutdown', 'at once'],
  ]
  for (const [title, reason, when] of cases) {
    test(`stops by itself when ${title}, and goes on when delivered again`, bench.limit, async () => {
      const once = await reference()
      const trial = await bench.trial(sample)
      const delivery = trial.deliver(task)
      if (when === 'at its first sign') await delivery.sign
      delivery.abort(reason)
      expect(stoppedByItself(await delivery.outcome)).toBe(true)
      const checkpoint = delivery.checkpoints.at(-1) ?? null
      const again = trial.deliver({ ...task, delivery: 2, checkpoint })
      expect(await effectOf(trial, sample, again)).toEqual(once.effect)
    })
  }
}

function stoppedByItself(outcome: Outcome): true | string {
  if (outcome.kind === 'succeeded') return true
  if (outcome.kind === 'aborted' && !outcome.killed) return true
  const how = outcome.kind === 'aborted' ? 'it had to be killed' : outcome.kind
  return `expected the handler to stop at its signal within the grace, or to succeed: ${how}`
}

// ── deliveries ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Bound = Awaited<ReturnType<Bench['trial']>>

async function succeeded(delivery: TrialDelivery): Promise<unknown> {
  const outcome = await delivery.outcome
  expect(outcome).toMatchObject({ kind: 'succeeded' })
  return outcome.kind === 'succeeded' ? JSON.parse(outcome.result) : undefined
}

async function effectOf(trial: Bound, sample: Sample, delivery: TrialDelivery): Promise<unknown> {
  const result = await succeeded(delivery)
  return sample.state === undefined ? result : sample.state(trial.context, result)
}

/** What a run that nothing disturbed has done. */
interface Run {
  readonly effect: unknown
  readonly checkpoints: number
  readonly children: readonly string[]
}

async function runWhole(bench: Bench, sample: Sample, task: TrialTask): Promise<Run> {
  const trial = await bench.trial(sample)
  const delivery = trial.deliver(task)
  const effect = await effectOf(trial, sample, delivery)
  return { effect, checkpoints: delivery.checkpoints.length, children: childrenOf(delivery) }
}

/** The ids of children are made from their keys: a key that changes between deliveries doubles the child. */
function childrenOf(delivery: TrialDelivery): readonly string[] {
  return delivery.children.map(({ type, key }) => `${type} ${key}`).toSorted((a, b) => a.localeCompare(b))
}

/** A thread really dies. An inline handler cannot be killed: it is refused, as by a queue that gave its task to another worker. */
function deadly({ host }: Bench): Pick<TrialTask, 'graceMs'> {
  return host === 'thread' ? { graceMs: 0 } : {}
}

/** Runs until the checkpoint is stored and no further. Answers that checkpoint. */
async function die(trial: Bound, task: TrialTask): Promise<string | null> {
  const delivery = trial.deliver(task)
  await delivery.died
  delivery.abort('lease_lost')
  await delivery.outcome
  return delivery.checkpoints[(task.dieAtCheckpoint ?? 1) - 1] ?? null
}

/** Answers the checkpoint that the killed delivery left. */
async function killAtSign(trial: Bound, task: TrialTask): Promise<string | null> {
  const delivery = trial.deliver({ ...task, graceMs: 0 })
  await delivery.sign
  delivery.abort('lease_lost')
  await delivery.outcome
  return delivery.checkpoints.at(-1) ?? null
}

/** At most five, spread from the first to the last. */
function deathsAmong(checkpoints: number): readonly number[] {
  if (checkpoints <= MAX_DEATHS) return Array.from({ length: checkpoints }, (_, i) => i + 1)
  const step = (checkpoints - 1) / (MAX_DEATHS - 1)
  return Array.from({ length: MAX_DEATHS }, (_, i) => 1 + Math.round(i * step))
}
