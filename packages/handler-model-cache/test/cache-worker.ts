import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { z } from 'zod'
import type { optionsSchema } from '../src/options.js'
import modelCache from '../src/plugin.js'
import { startOllamaServer, type OllamaModel, type OllamaServer } from './ollama-server.js'

const GIB = 2 ** 30

const OLLAMA_MODELS: readonly OllamaModel[] = [
  {
    name: 'llama3-8b:latest',
    size: GIB,
    digest: 'a'.repeat(64),
    memory: 3 * GIB,
    capabilities: ['completion'],
  },
  { name: 'qwen3:4b', size: GIB, digest: 'b'.repeat(64), memory: 2 * GIB, capabilities: ['completion'] },
  {
    name: 'Mixed/Case-GGUF:Q4_K_M',
    size: GIB,
    digest: 'd'.repeat(64),
    memory: GIB,
    capabilities: ['completion'],
  },
  { name: 'gemma:2b', size: GIB, digest: 'c'.repeat(64), memory: 2 * GIB, capabilities: ['completion'] },
]

interface CacheWorkerOptions extends Omit<z.input<typeof optionsSchema>, 'ollama'> {
  /** How often the server is asked what it still has. Default: so often that no test waits for it. */
  readonly watchInterval?: '20ms' | '1h'
  readonly requestTimeout?: '1s'
  /** Of another replica. Default: one of its own. */
  readonly server?: OllamaServer
}

export async function startOllama(): Promise<OllamaServer> {
  const server = await startOllamaServer(OLLAMA_MODELS)
  onTestFinished(() => server.stop())
  return server
}

/** A worker with the plugin, not started, and the server that its models are on. */
export async function makeCacheWorker({
  watchInterval = '20ms',
  requestTimeout,
  server: shared,
  ...options
}: CacheWorkerOptions = {}) {
  const server = shared ?? (await startOllama())
  const ollama = { url: server.url, watchInterval, ...(requestTimeout && { requestTimeout }) }
  const dataDir = await mkdtemp(join(tmpdir(), 'model-cache-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const lines: string[] = []
  const worker = createWorker({
    plugins: [modelCache({ ollama, ...options })],
    queue: memoryQueue(),
    concurrency: 100,
    dataDir,
    logger: createLogger({ destination: { write: (line: string) => void lines.push(line) } }),
  })
  onTestFinished(async () => void (await worker.stop()))
  return { worker, server, lines }
}

export async function startCacheWorker(options: CacheWorkerOptions = {}) {
  const made = await makeCacheWorker(options)
  await made.worker.start()
  return made
}
