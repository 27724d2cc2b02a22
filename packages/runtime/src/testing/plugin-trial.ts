import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { WorkerError } from '../errors.js'
import { handshake } from '../handshake.js'
import { AbortedWork, type Outcome, type PluginHost, type ServiceCall, type Work } from '../host/host.js'
import { createInlineHost } from '../host/inline.js'
import { callImplementation, type Implementations } from '../host/services.js'
import { createThreadHost } from '../host/thread.js'
import { newestVersion } from '../payload-versions.js'
import type { AbortReason, ChildOptions, HostKind, Plugin, PluginLog, PluginMetrics } from '../plugin.js'

/** A plugin that is set up in a real host of its own, with a folder of its own. */
export interface Trial {
  readonly host: PluginHost
  readonly dataDir: string
  /** Starts a delivery of the task of this trial. */
  deliver(task: TrialTask): TrialDelivery
  /** Teardown, the end of all threads, the folder's removal. */
  end(): Promise<void>
}

export interface TrialTask {
  readonly type: string
  readonly payload: unknown
  /** Default: the newest. */
  readonly version?: number
  /** JSON text that an earlier delivery left. */
  readonly checkpoint?: string | null
  /** 1 for the first. */
  readonly delivery?: number
  /** The delivery's worker dies while it stores this checkpoint (1 for the first): it is stored, and the handler never hears of it. */
  readonly dieAtCheckpoint?: number
  /** From its abort to its kill, in milliseconds; 0: a thread is killed at once. Default: the trial's. */
  readonly graceMs?: number
}

export interface TrialDelivery {
  readonly outcome: Promise<Outcome>
  /** Resolves when the handler has reported anything, or has ended. */
  readonly sign: Promise<void>
  /** Resolves when the checkpoint at which it dies is stored, or the handler has ended. */
  readonly died: Promise<void>
  /** All that it stored, oldest first. */
  readonly checkpoints: readonly (string | null)[]
  readonly children: readonly TrialChild[]
  abort(reason: AbortReason): void
}

export interface TrialChild {
  readonly type: string
  /** JSON text. */
  readonly payload: string
  readonly key: string
}

export interface TrialOptions {
  readonly host: HostKind
  /** Implementations of the services that the plugin uses, by the service's name. */
  readonly services: Readonly<Record<string, object>>
  /** From the abort to the kill, in milliseconds. */
  readonly graceMs: number
}

/** The module's options checked as at a worker's start, the plugin set up. */
export async function startTrial(plugin: Plugin, options: TrialOptions): Promise<Trial> {
  const checked = shakeHands(plugin, options)
  const dataDir = await mkdtemp(join(tmpdir(), 'mcp-worker-trial-'))
  const given = Object.entries(options.services)
  const implementations: Implementations = new Map(given.map(([name, service]) => [name, () => service]))
  const surroundings = {
    options: checked,
    dataDir,
    log: SILENT,
    metrics: UNMEASURED,
    provided: new Set(implementations.keys()),
    callService: (call: ServiceCall, caller: AbortSignal) =>
      callImplementation(implementations, call, caller),
  }
  const create = options.host === 'thread' ? createThreadHost : createInlineHost
  const host = create(plugin, surroundings)
  const clean = () => rm(dataDir, { recursive: true, force: true })
  try {
    await host.start(new AbortController().signal)
  } catch (error) {
    await clean()
    throw error
  }
  return {
    host,
    dataDir,
    deliver: (task) => deliver(host, plugin, task, options.graceMs),
    async end() {
      try {
        await host.stop(options.graceMs)
      } finally {
        await clean()
      }
    },
  }
}

/** Answers the checked options. Throws `handshake_failed` with all faults, each in a line of the message. */
export function shakeHands(
  plugin: Plugin,
  { host, services }: Pick<TrialOptions, 'host' | 'services'>,
): unknown {
  const provider = {
    ...plugin,
    name: 'services of the trial',
    uses: {},
    handlers: [],
    queries: [],
    givenOptions: {},
    optionsSchema: z.unknown(),
    host: 'inline',
  }
  const provides = Object.keys(services).map((service) => ({
    token: { service, isOptional: false },
    implement: () => ({}),
  }))
  try {
    const { plugins } = handshake([{ ...provider, provides }, plugin], { hosts: { [plugin.name]: host } })
    return plugins.find((each) => each.plugin === plugin)?.options
  } catch (error) {
    if (!(error instanceof WorkerError)) throw error
    const faults = error.faults.map(({ path, message }) => `\n  ${path}: ${message}`)
    throw new WorkerError('handshake_failed', error.message + faults.join(''), { faults: error.faults })
  }
}

let deliveries = 0

function deliver(host: PluginHost, plugin: Plugin, task: TrialTask, graceMs: number): TrialDelivery {
  const controller = new AbortController()
  const sign = signal()
  const died = signal()
  const checkpoints: (string | null)[] = []
  const children: TrialChild[] = []
  const storeCheckpoint = async (value: string | null): Promise<void> => {
    checkpoints.push(value)
    sign.give()
    if (checkpoints.length < (task.dieAtCheckpoint ?? Number.POSITIVE_INFINITY)) return
    died.give()
    // a dead worker's handler never hears that it was stored; an inline one must get its chance to let go of what it holds
    await new Promise((_resolve, reject) => {
      const refuse = () => reject(controller.signal.reason as Error)
      if (controller.signal.aborted) refuse()
      else controller.signal.addEventListener('abort', refuse)
    })
  }
  const submit = async (type: string, payload: string, { key }: ChildOptions) => {
    sign.give()
    const duplicate = children.some((child) => child.type === type && child.key === key)
    if (!duplicate) children.push({ type, payload, key })
    return { id: `child-${type}-${key}`, duplicate }
  }
  const reports = { progress: sign.give, checkpoint: storeCheckpoint, submit, log: logThat(sign.give) }
  const work = { ...workOf(plugin, task, graceMs), signal: () => controller.signal, reports }
  const outcome = host.perform(work)
  void outcome.then(sign.give).then(died.give)
  const abort = (reason: AbortReason) => controller.abort(new AbortedWork(reason))
  return { outcome, sign: sign.given, died: died.given, checkpoints, children, abort }
}

function workOf(plugin: Plugin, task: TrialTask, graceMs: number): Omit<Work, 'signal' | 'reports'> {
  const handler = plugin.handlers.find(({ type }) => type === task.type)
  if (handler === undefined) throw new TypeError(`${plugin.name} has no handler for the type ${task.type}`)
  const { type, delivery = 1, checkpoint = null } = task
  const version = task.version ?? newestVersion(handler.payload)
  const payload = JSON.stringify(task.payload)
  const fence = `trial-${++deliveries}`
  return {
    fence,
    taskId: `trial-${type}`,
    type,
    version,
    payload,
    checkpoint,
    attempt: 1,
    delivery,
    deadline: Date.now() + 3_600_000,
    graceMs: task.graceMs ?? graceMs,
  }
}

function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  const held: { resolve?: () => void } = {}
  const given = new Promise<void>((resolve) => (held.resolve = resolve))
  return { given, give: () => held.resolve?.() }
}

function logThat(heard: () => void): PluginLog {
  return { debug: heard, info: heard, warn: heard, error: heard }
}

const SILENT: PluginLog = logThat(() => {})
const UNMEASURED: PluginMetrics = {
  counter: () => ({ inc() {} }),
  gauge: () => ({ set() {} }),
  histogram: () => ({ observe() {} }),
}
