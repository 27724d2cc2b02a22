/**
 * The model cache on this machine: `node bench/model-cache/run.ts [--rounds 3]`. How good the choice of what to evict is, how late the main loop is while 400 MB are
 * loaded, and what 100 tasks for one model make of it. Needs the built packages. Writes bench/results/model-cache.json.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { simulate } from '@mcp-worker/handler-model-cache/simulator'
import { writeGguf } from '../../packages/handler-model-cache/test/models/write-gguf.ts'
import { writeOnnx } from '../../packages/handler-model-cache/test/models/write-onnx.ts'
import { describeMachine } from '../queue/machine.ts'
import type { Joins, Lag, TaskLoad } from './loads.ts'
import type { LoadRow, ModelCacheResults } from './parts.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
const rounds = Number(values.rounds)
const CASES = 60
const child = fileURLToPath(new URL('child.ts', import.meta.url))
const machine = describeMachine()

/** In a folder of its own, so that the queue is new and the models are there. */
function inChild<T>(what: string, modelId: string): T {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-models-'))
  try {
    if (modelId.endsWith('.onnx')) writeOnnx(join(folder, modelId), megabytesIn(modelId))
    else writeGguf(join(folder, modelId), megabytesIn(modelId))
    return JSON.parse(
      execFileSync(process.execPath, [child, what, folder, modelId], { encoding: 'utf8' }),
    ) as T
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function megabytesIn(modelId: string): number {
  return Number.parseInt(modelId, 10)
}

function measureLoads(how: string, what: string, model: string): LoadRow {
  const measured = Array.from({ length: rounds }, () => inChild<Lag | TaskLoad>(what, model))
  console.error(
    how,
    model,
    measured.map(({ seconds, lagMaxMs }) => `${seconds.toFixed(2)} s, ${lagMaxMs.toFixed(0)} ms`),
  )
  return { how, model, rounds: measured }
}

const results: ModelCacheResults = {
  eviction: { cases: CASES, rows: simulate(CASES) },
  loads: [
    measureLoads('onnxruntime-node in the main loop', 'main-loop', '400.onnx'),
    measureLoads('a `model_cache` task, engine `onnx`', 'task', '400.onnx'),
    measureLoads('a `model_cache` task, engine `file`', 'task', '400.gguf'),
  ],
  joins: inChild<Joins>('joins', '100.onnx'),
}
console.error(JSON.stringify(results.joins))
const run = { at: new Date().toISOString(), machine, rounds, results }
writeFileSync(new URL('../results/model-cache.json', import.meta.url), `${JSON.stringify(run, null, 2)}\n`)
