import type { PluginMetrics } from '../plugin.js'
import type { FromThread, Instrument, Update } from './port.js'

/** Updates that wait for the end of the turn; a loop that never ends its turn sends them in such heaps. */
const MAX_WAITING = 1000

type Labels = Readonly<Record<string, string>> | undefined

interface Pending {
  readonly ref: number
  readonly labels: Labels
  values: number[]
}

export interface ThreadMetrics extends PluginMetrics {
  flush(): void
}

/** The instruments of a plugin in a thread: updates are added up and sent once per turn. */
export function createThreadMetrics(post: (message: FromThread) => void): ThreadMetrics {
  const refs = new Map<string, number>()
  const pending = new Map<string, Pending>()
  let count = 0
  const flush = () => {
    if (pending.size === 0) return
    const updates: Update[] = [...pending.values()]
    pending.clear()
    count = 0
    post({ kind: 'measure', updates })
  }
  const refOf = (instrument: Instrument): number => {
    const key = `${instrument.kind} ${instrument.spec.name}`
    const known = refs.get(key)
    if (known !== undefined) return known
    const ref = refs.size
    refs.set(key, ref)
    const { name, help, labels, buckets } = instrument.spec
    const spec = {
      name,
      help,
      ...(labels && { labels: [...labels] }),
      ...(buckets && { buckets: [...buckets] }),
    }
    post({ kind: 'instrument', ref, instrument: { kind: instrument.kind, spec } })
    return ref
  }
  const update = (ref: number, labels: Labels, fold: (values: number[]) => number[]) => {
    const key = labels === undefined ? `${ref}` : `${ref} ${JSON.stringify(labels)}`
    let entry = pending.get(key)
    if (entry === undefined) {
      if (pending.size === 0) setImmediate(flush)
      entry = { ref, labels: labels === undefined ? undefined : { ...labels }, values: [] }
      pending.set(key, entry)
    }
    entry.values = fold(entry.values)
    if (++count >= MAX_WAITING) flush()
  }
  return {
    flush,
    counter(spec) {
      const ref = refOf({ kind: 'counter', spec })
      return { inc: (labels, by = 1) => update(ref, labels, ([sum = 0]) => [sum + by]) }
    },
    gauge(spec) {
      const ref = refOf({ kind: 'gauge', spec })
      return { set: (value, labels) => update(ref, labels, () => [value]) }
    },
    histogram(spec) {
      const ref = refOf({ kind: 'histogram', spec })
      const observe = (value: number, labels: Labels) =>
        update(ref, labels, (values) => {
          values.push(value)
          return values
        })
      return { observe }
    },
  }
}

/** The worker's side: a thread's updates go to the real instruments. One per thread, since references are the thread's. */
export function createMeter(metrics: PluginMetrics): {
  instrument(ref: number, instrument: Instrument): void
  measure(updates: readonly Update[]): void
} {
  const sinks = new Map<number, (value: number, labels: Labels) => void>()
  return {
    instrument: (ref, instrument) => void sinks.set(ref, sinkOf(metrics, instrument)),
    measure(updates) {
      for (const { ref, labels, values } of updates) {
        const sink = sinks.get(ref)
        for (const value of values) sink?.(value, labels)
      }
    },
  }
}

function sinkOf(metrics: PluginMetrics, { kind, spec }: Instrument): (value: number, labels: Labels) => void {
  switch (kind) {
    case 'counter': {
      const counter = metrics.counter(spec)
      return (value, labels) => counter.inc(labels, value)
    }
    case 'gauge': {
      const gauge = metrics.gauge(spec)
      return (value, labels) => gauge.set(value, labels)
    }
    default: {
      const histogram = metrics.histogram(spec)
      return (value, labels) => histogram.observe(value, labels)
    }
  }
}
