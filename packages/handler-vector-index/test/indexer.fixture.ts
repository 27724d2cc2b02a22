/**
 * A worker process of the built package: runs one `vector_index` payload with the real plugin, and says on standard output how far it is,
 * one JSON line each: `{ progress }`, `{ checkpoint }` (before it is acknowledged, so that a line means: this batch is committed), `{ result, maxRssBytes }`.
 * Argument: JSON of `{ store, root, payload, checkpoint, task }`.
 */
import { writeSync } from 'node:fs'
import vectorIndex, { type StoreInput } from '@mcp-worker/handler-vector-index'
import type { PluginLog, PluginMetrics, RunContext, SetupContext } from '@mcp-worker/runtime'

const {
  store,
  root,
  payload,
  checkpoint,
  task = 't',
} = JSON.parse(process.argv[2] ?? '') as {
  readonly store: StoreInput
  readonly root: string
  readonly payload: unknown
  readonly checkpoint: unknown
  /** The id: two runs of one id are two deliveries of one task. Default `t`. */
  readonly task?: string
}
const say = (line: unknown): void => void writeSync(1, `${JSON.stringify(line)}\n`)
const ignore = (): void => {}
const log: PluginLog = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const metrics: PluginMetrics = {
  counter: () => ({ inc: ignore }),
  gauge: () => ({ set: ignore }),
  histogram: () => ({ observe: ignore }),
}

const plugin = vectorIndex({ store, documentsRoot: root })
const options = plugin.optionsSchema.parse(plugin.givenOptions)
const { signal } = new AbortController()
const setup: SetupContext<unknown, unknown> = { options, services: {}, log, metrics, dataDir: root, signal }
const deps = await plugin.setup(setup)
const [handler] = plugin.handlers
let stored = JSON.stringify(checkpoint)
const context: RunContext<unknown, unknown, unknown> = {
  payload: handler.payload.parse(payload),
  deps,
  services: {},
  task: {
    id: task,
    type: 'vector_index',
    version: 1,
    attempt: 1,
    delivery: 1,
    deadline: Date.now() + 60_000,
  },
  signal,
  log,
  metrics,
  progress: (done) => say({ progress: done }),
  checkpoint: {
    get: () => JSON.parse(stored),
    set: async (value) => {
      stored = JSON.stringify(value)
      say({ checkpoint: value })
    },
  },
  submit: () => Promise.reject(new Error('not here')),
  snooze: () => {
    throw new Error('not here')
  },
}
say({ result: await handler.spec.run(context), maxRssBytes: process.resourceUsage().maxRSS * 1024 })
await plugin.teardown?.({ deps })
