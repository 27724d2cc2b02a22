import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { InstrumentSpec, PluginMetrics } from './plugin.js'

/** `@acme/handler-vector-index` → `mcp_worker_vector_index_`. */
export function metricPrefix(pluginName: string): string {
  const short = pluginName.replace(/^@[^/]*\//, '').replace(/^handler-/, '')
  return `mcp_worker_${short.replaceAll(/[^a-zA-Z0-9]+/g, '_')}_`
}

/** A plugin's instruments on the worker's registry. Asking for the same name again gives the same instrument. */
export function createPluginMetrics(registry: Registry, pluginName: string): PluginMetrics {
  const prefix = metricPrefix(pluginName)
  const known = new Map<string, unknown>()
  function instrument<T>(spec: InstrumentSpec<string>, make: (name: string) => T): T {
    const name = prefix + spec.name
    const found = known.get(name) ?? make(name)
    known.set(name, found)
    return found as T
  }
  const config = (spec: InstrumentSpec<string>, name: string) => ({
    name,
    help: spec.help,
    labelNames: [...(spec.labels ?? [])],
    registers: [registry],
  })
  return {
    counter(spec) {
      const counter = instrument(spec, (name) => new Counter<string>(config(spec, name)))
      return { inc: (labels = {} as never, by = 1) => counter.inc(labels, by) }
    },
    gauge(spec) {
      const gauge = instrument(spec, (name) => new Gauge<string>(config(spec, name)))
      return { set: (value, labels = {} as never) => gauge.set(labels, value) }
    },
    histogram(spec) {
      const buckets = spec.buckets ? { buckets: [...spec.buckets] } : {}
      const histogram = instrument(
        spec,
        (name) => new Histogram<string>({ ...config(spec, name), ...buckets }),
      )
      return { observe: (value, labels = {} as never) => histogram.observe(labels, value) }
    },
  }
}
