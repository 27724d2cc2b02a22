import { join } from 'node:path'
import {
  createEmbedderEngine,
  createFileEngine,
  createOnnxEngine,
  embedderEngineOptions,
  fileEngineOptions,
  type ModelEngine,
  onnxEngineOptions,
} from '@mcp-worker/handler-model-cache'
import { expect, onTestFinished, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { writeGguf } from '../models/write-gguf.js'
import { modelFolder, putRealModels } from './folder.fixture.js'
import { onnxChildren, residentBytes } from './onnx-children.js'
import { engineThreads } from './worker-threads.js'

const cycles = 200
/** What a process takes once and keeps (pools of threads, code, arenas of the allocator) is there after so many. */
const settling = 20
const never = new AbortController().signal

async function cycle(engine: ModelEngine, modelId: string): Promise<void> {
  const loaded = await engine.load(modelRef(modelId), loadOptions())
  await loaded.warmup({ runs: 1, maxMs: 60_000, signal: never })
  await loaded.unload(never)
}

test(
  'takes within 10 % of the start after 200 loads and unloads by each engine that loads here',
  { timeout: 600_000 },
  async () => {
    const root = await modelFolder()
    await putRealModels(root)
    writeGguf(join(root, 'small.gguf'), 2)
    const engines: readonly (readonly [ModelEngine, string])[] = [
      [createFileEngine(fileEngineOptions.parse({ root })), 'small.gguf'],
      [createOnnxEngine(onnxEngineOptions.parse({ root })), 'small.onnx'],
      [createEmbedderEngine(embedderEngineOptions.parse({})), 'builtin'],
    ]
    onTestFinished(async () => {
      for (const [engine] of engines) await engine.close()
    })
    let start = 0
    for (let done = 1; done <= cycles; done += 1) {
      await Promise.all(engines.map(([engine, modelId]) => cycle(engine, modelId)))
      if (done === settling) start = await allMemory()
    }
    expect(await allMemory()).toBeLessThanOrEqual(start * 1.1)
    expect(await onnxChildren()).toEqual([])
    expect(engineThreads()).toBe(0)
  },
)

/** Resident memory of this process and its children. */
async function allMemory(): Promise<number> {
  const sizes = await Promise.all([process.pid, ...(await onnxChildren())].map(residentBytes))
  return sizes.reduce((sum, size) => sum + size, 0)
}
