import type { z } from 'zod'
import { createOllamaEngine, ollamaEngineOptions } from '@mcp-worker/handler-model-cache'
import { onTestFinished } from 'vitest'
import { type OllamaModel, startOllamaServer } from '../ollama-server.js'

const gib = 2 ** 30

function model(name: string, digit: string, capabilities: readonly string[] = ['completion']): OllamaModel {
  return { name, size: gib, digest: digit.repeat(64), memory: gib, capabilities }
}

export const models = [
  model('llama3.2:latest', 'a'),
  model('qwen3:4b', 'b'),
  model('slow:latest', 'c'),
  model('nomic-embed-text:latest', 'd', ['embedding']),
]

/** A server and an engine of the test's own. */
export async function openOllama(more: Partial<z.input<typeof ollamaEngineOptions>> = {}) {
  const server = await startOllamaServer(models)
  onTestFinished(() => server.stop())
  const options = { url: server.url, watchInterval: '20ms', ...more }
  const engine = createOllamaEngine(ollamaEngineOptions.parse(options))
  onTestFinished(() => engine.close())
  return { server, engine }
}
