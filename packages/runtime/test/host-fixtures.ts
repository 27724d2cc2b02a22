import { AbortedWork, type HostSurroundings, type Work } from '../src/host/host.js'
import type { AbortReason, ChildOptions, PluginLog, PluginMetrics } from '../src/plugin.js'
import type { Progress } from '../src/task.js'

export interface Said {
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
  /** Whether the signal was ever asked for. */
  signalMade(): boolean
}

export function keepingLog(lines: Said['lines']): PluginLog {
  const at = (level: string) => (event: string, fields?: Readonly<Record<string, unknown>>) =>
    void lines.push({ level, event, fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

let fences = 0

export function testWork(type: string, payload: unknown, options: Partial<Work> = {}): TestWork {
  const said: Said = { progress: [], checkpoints: [], children: [], lines: [] }
  const controller = new AbortController()
  let made = false
  const work: Work = {
    fence: `fence-${++fences}`,
    taskId: 'task-1',
    type,
    version: 1,
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
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
      progress: (progress) => void said.progress.push(progress),
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
    abort: (reason) => controller.abort(new AbortedWork(reason)),
    signalMade: () => made,
  }
}

export interface MetricCall {
  readonly instrument: string
  readonly value: number
  readonly labels: Readonly<Record<string, string>>
}

export function keepingMetrics(calls: MetricCall[]): PluginMetrics {
  const keep = (instrument: string, value: number, labels: Readonly<Record<string, string>> = {}) =>
    void calls.push({ instrument, value, labels })
  return {
    counter: (spec) => ({ inc: (labels, by = 1) => keep(spec.name, by, labels) }),
    gauge: (spec) => ({ set: (value, labels) => keep(spec.name, value, labels) }),
    histogram: (spec) => ({ observe: (value, labels) => keep(spec.name, value, labels) }),
  }
}

export interface TestSurroundings extends HostSurroundings {
  readonly lines: Said['lines']
  readonly measured: MetricCall[]
}

export function testSurroundings(options: Partial<HostSurroundings> = {}): TestSurroundings {
  const lines: Said['lines'] = []
  const measured: MetricCall[] = []
  return {
    options: {},
    dataDir: 'data',
    log: keepingLog(lines),
    metrics: keepingMetrics(measured),
    callService: () => Promise.reject(new Error('no services here')),
    provided: new Set(),
    ...options,
    lines,
    measured,
  }
}

export const never: AbortSignal = new AbortController().signal
