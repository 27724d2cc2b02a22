import { EventEmitter, once } from 'node:events'
import { AbortedWork, type HostSurroundings, type Work } from '../src/host/host.js'
import type { AbortReason, ChildOptions, PluginLog, PluginMetrics } from '../src/plugin.js'
import type { Progress } from '../src/task.js'

interface Said {
  readonly progress: Progress[]
  readonly checkpoints: (string | null)[]
  readonly children: { readonly type: string; readonly payload: string; readonly options: ChildOptions }[]
  readonly lines: {
    readonly level: string
    readonly event: string
    readonly fields: Readonly<Record<string, unknown>> | undefined
  }[]
}

/** A delivery whose reports are kept, with the worker's side of its signal. */
export interface TestWork {
  readonly work: Work
  readonly said: Said
  abort(reason: AbortReason): void
  /** Resolves when the handler has reported progress: it runs. */
  readonly begun: Promise<void>
  /** Whether the signal was ever asked for. */
  signalMade(): boolean
}

function keepingLog(
  lines: Said['lines'],
  heard: (line: Said['lines'][number]) => void = () => {},
): PluginLog {
  const at = (level: string) => (event: string, fields?: Readonly<Record<string, unknown>>) => {
    const line = { level, event, fields }
    lines.push(line)
    heard(line)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

let fences = 0

export function testWork(type: string, payload: unknown, options: Partial<Work> = {}): TestWork {
  const said: Said = { progress: [], checkpoints: [], children: [], lines: [] }
  const controller = new AbortController()
  let made = false
  const began: { call?: () => void } = {}
  const begun = new Promise<void>((resolve) => (began.call = resolve))
  const work: Work = {
    fence: `fence-${++fences}`,
    taskId: 'task-1',
    type,
    version: 1,
    payload: JSON.stringify(payload),
    checkpoint: null,
    attempt: 1,
    delivery: 1,
    deadline: Date.now() + 60_000,
    graceMs: 5_000,
    signal() {
      made = true
      return controller.signal
    },
    reports: {
      progress(progress) {
        said.progress.push(progress)
        began.call?.()
      },
      checkpoint: async (value) => void said.checkpoints.push(value),
      submit: async (childType, childPayload, childOptions) => {
        said.children.push({ type: childType, payload: childPayload, options: childOptions })
        return { id: `child-${said.children.length}`, duplicate: false }
      },
      log: keepingLog(said.lines),
    },
    ...options,
  }
  return {
    work,
    said,
    begun,
    abort: (reason) => controller.abort(new AbortedWork(reason)),
    signalMade: () => made,
  }
}

interface MetricCall {
  readonly instrument: string
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
}

function keepingMetrics(calls: MetricCall[]): PluginMetrics {
  const keep = (instrument: string, value: number, labels: Readonly<Record<string, string>> = {}) =>
    void calls.push({ instrument, value, labels })
  return {
    counter: (spec) => ({ inc: (labels, by = 1) => keep(spec.name, by, labels) }),
    gauge: (spec) => ({ set: (value, labels) => keep(spec.name, value, labels) }),
    histogram: (spec) => ({ observe: (value, labels) => keep(spec.name, value, labels) }),
  }
}

export interface TestSurroundings extends HostSurroundings {
  /** Resolves with the first line of this event, past or to come. */
  logged(event: string): Promise<Said['lines'][number]>
  readonly lines: Said['lines']
  readonly measured: MetricCall[]
}

export function testSurroundings(options: Partial<HostSurroundings> = {}): TestSurroundings {
  const lines: Said['lines'] = []
  const arrivals = new EventEmitter()
  const measured: MetricCall[] = []
  return {
    options: {},
    dataDir: 'data',
    log: keepingLog(lines, (line) => arrivals.emit(line.event, line)),
    async logged(event) {
      const past = lines.find((line) => line.event === event)
      return past ?? ((await once(arrivals, event))[0] as Said['lines'][number])
    },
    metrics: keepingMetrics(measured),
    callService: () => Promise.reject(new Error('no services here')),
    provided: new Set(),
    ...options,
    lines,
    measured,
  }
}

export const never: AbortSignal = new AbortController().signal
