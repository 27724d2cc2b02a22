import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import {
  createEmbedderEngine,
  embedderEngineOptions,
  type LoadedModel,
  type ModelEngine,
} from '@mcp-worker/handler-model-cache'
import { describeEngine } from '../engine-suite.js'
import { engineThreads } from './worker-threads.js'

describeEngine('embedder', async () => {
  const models = { builtin: { engine: 'builtin' }, again: { engine: 'builtin' } }
  const options = embedderEngineOptions.parse({ models, threadMemoryMb: 32 })
  const { engine, loaded } = rememberLoads(createEmbedderEngine(options))
  return {
    engine,
    model: 'builtin',
    other: 'again',
    slow: 'again',
    digest: `sha256:${wordTableHash()}`,
    held: async () => engineThreads(),
    // more text than its thread may hold
    lose: async () => {
      const texts = Array.from({ length: 100 }, () => 'word '.repeat(200_000))
      await loaded[0]?.embedder?.embed(texts).catch(() => {})
    },
  }
})

function rememberLoads(engine: ModelEngine): { engine: ModelEngine; loaded: LoadedModel[] } {
  const loaded: LoadedModel[] = []
  const load: ModelEngine['load'] = async (model, options) => {
    const handle = await engine.load(model, options)
    loaded.push(handle)
    return handle
  }
  return { engine: { ...engine, load }, loaded }
}

function wordTableHash(): string {
  const entry = createRequire(import.meta.url).resolve('@mcp-worker/embedder/package.json')
  const table = readFileSync(join(dirname(entry), 'assets/word-table.bin'))
  return createHash('sha256').update(table).digest('hex')
}
