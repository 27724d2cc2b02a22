import { totalmem } from 'node:os'
import { join } from 'node:path'
import type { ModelEngine } from './engine.js'
import { createEmbedderEngine } from './engines/embedder/embedder-engine.js'
import { createFileEngine } from './engines/file/file-engine.js'
import { createOllamaEngine } from './engines/ollama/ollama-engine.js'
import { createOnnxEngine } from './engines/onnx/onnx-engine.js'
import { ModelError } from './errors.js'
import type { ModelCacheOptions } from './options.js'

const MEBIBYTE = 1024 * 1024
const PROCESS_SHARE = 0.5

/** All engines. Each does nothing before its first model, so that what nobody uses need not be installed or running. */
export function openEngines(options: ModelCacheOptions, dataDir: string): readonly ModelEngine[] {
  const root = options.modelsRoot ?? join(dataDir, 'models')
  return [
    createOllamaEngine(options.ollama),
    createOnnxEngine({ ...options.onnx, root }),
    createFileEngine({ ...options.file, root }),
    createEmbedderEngine(options.embedder),
  ]
}

/** Throws ENGINE_UNKNOWN with every option that names an engine which is not there: else each task for such a model would. */
export function refuseUnknownEngines(
  { defaultEngine, models }: Pick<ModelCacheOptions, 'defaultEngine' | 'models'>,
  engines: readonly ModelEngine[],
): void {
  const known = engines.map(({ name }) => name)
  const named = Object.entries(models).flatMap(([id, { engine }]) =>
    engine === undefined ? [] : [{ option: `models[${JSON.stringify(id)}].engine`, engine }],
  )
  const faults = [{ option: 'defaultEngine', engine: defaultEngine }, ...named]
    .filter(({ engine }) => !known.includes(engine))
    .map(({ option, engine }) => `${engine} as ${option}`)
  if (faults.length === 0) return
  throw new ModelError('ENGINE_UNKNOWN', `expected engines of ${known.join(', ')}, got ${faults.join(', ')}`)
}

/** The budget of each pool in bytes. */
export function limitsOf(
  options: Pick<ModelCacheOptions, 'memoryLimitMb' | 'endpointMemoryLimitMb'>,
  engines: readonly ModelEngine[],
): ReadonlyMap<string, number> {
  const { memoryLimitMb: own, endpointMemoryLimitMb: endpoint } = options
  const limits = new Map<string, number>()
  for (const { pool } of engines) {
    if (pool === 'process') limits.set(pool, own === undefined ? defaultLimit() : own * MEBIBYTE)
    else if (endpoint !== undefined) limits.set(pool, endpoint * MEBIBYTE)
  }
  return limits
}

function defaultLimit(): number {
  // 0, or more than there is: not constrained
  const constrained = process.constrainedMemory()
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
  return Math.floor(memory * PROCESS_SHARE)
}
