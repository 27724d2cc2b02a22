import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import modelCache from '@mcp-worker/handler-model-cache'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { modelFolder } from './engines/folder.fixture.js'
import { writeGguf } from './models/write-gguf.js'
import { writeOnnx } from './models/write-onnx.js'

async function startWorker(memoryLimitMb: number) {
  const root = await modelFolder()
  const worker = createWorker({
    plugins: [modelCache({ modelsRoot: root, memoryLimitMb, minResidency: '0s', keepAlive: -1 })],
    queue: memoryQueue(),
    dataDir: root,
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  const load = async (payload: object) =>
    (await worker.submit('model_cache', payload as { model_id: string })).result()
  /** The code of a task that failed at its first attempt and for good. */
  const codeOf = async (payload: object) => {
    const task = await worker.submit('model_cache', payload as { model_id: string })
    await task.result().catch(() => {})
    const { error, failureReason, attempts } = (await worker.get(task.id)) ?? {}
    expect([failureReason, attempts]).toEqual(['non_retryable', 1])
    return error?.code
  }
  const held = async () => {
    const { models, last_eviction } = await worker.query('model_cache_status', {})
    return { models: models.map(({ model_id }) => model_id), last_eviction }
  }
  return { root, worker, load, codeOf, held }
}

const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`

/** What stands in a file engine's folder, by the size of its good models and of one that is larger than the budget. */
const kinds = [
  { engine: 'file', ending: 'gguf', limitMb: 10, goodMb: 6, largeMb: 12, write: writeGguf },
  // 96 MiB for the process, and 2.1 times the model: what a load takes at its peak
  { engine: 'onnx', ending: 'onnx', limitMb: 160, goodMb: 6, largeMb: 40, write: writeOnnx },
] as const

test.for(kinds)(
  'engine $engine: missing, truncated, corrupt, over budget, another digest are distinct permanent errors, and nothing is evicted for them',
  async ({ engine, ending, limitMb, goodMb, largeMb, write }) => {
    const { root, load, codeOf, held } = await startWorker(limitMb)
    for (const name of ['good', 'cut', 'other']) write(join(root, `${name}.${ending}`), goodMb)
    write(join(root, `large.${ending}`), largeMb)
    await truncate(join(root, `cut.${ending}`), 3 * 2 ** 20)
    await writeFile(join(root, `noise.${ending}`), Buffer.alloc(6 * 2 ** 20, 7))
    const named = (name: string) => ({ model_id: `${name}.${ending}`, engine })
    expect(await load(named('good'))).toMatchObject({ outcome: 'loaded', engine })
    expect(await codeOf(named('none'))).toBe('MODEL_NOT_FOUND')
    expect(await codeOf(named('cut'))).toBe('MODEL_TRUNCATED')
    expect(await codeOf(named('noise'))).toBe('MODEL_CORRUPT')
    expect(await codeOf(named('large'))).toBe('MODEL_OVER_BUDGET')
    expect(await codeOf({ ...named('other'), digest: OTHER_DIGEST })).toBe('DIGEST_MISMATCH')
    expect(await held()).toEqual({ models: [`good.${ending}`], last_eviction: null })
  },
)

test('engine embedder: missing, over budget, another digest are distinct permanent errors, and nothing is evicted for them', async () => {
  const { root, load, codeOf, held } = await startWorker(10)
  writeGguf(join(root, 'good.gguf'), 6)
  expect(await load({ model_id: 'good.gguf' })).toMatchObject({ outcome: 'loaded' })
  expect(await codeOf({ model_id: 'none', engine: 'embedder' })).toBe('MODEL_NOT_FOUND')
  expect(await codeOf({ model_id: 'builtin', engine: 'embedder' })).toBe('MODEL_OVER_BUDGET')
  expect(await codeOf({ model_id: 'builtin', digest: OTHER_DIGEST })).toBe('DIGEST_MISMATCH')
  expect(await held()).toEqual({ models: ['good.gguf'], last_eviction: null })
})

test('two models of 60 % each take turns, and the budget is never exceeded', async () => {
  const { root, worker } = await startWorker(10)
  for (const name of ['a.gguf', 'b.gguf']) writeGguf(join(root, name), 6)
  const tasks = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      worker.submit('model_cache', { model_id: i % 2 === 0 ? 'a.gguf' : 'b.gguf' }),
    ),
  )
  for (const task of tasks) expect(await task.result()).toMatchObject({ reason: null })
  const { budgets } = await worker.query('model_cache_status', {})
  const own = budgets.find(({ pool }) => pool === 'process')
  expect(own?.peak).toBeGreaterThan(0)
  expect(own?.peak).toBeLessThanOrEqual(own?.limit ?? 0)
})

test('progress counts bytes where the engine knows how many there are, and else none', async () => {
  const { root, worker } = await startWorker(160)
  writeGguf(join(root, 'good.gguf'), 6)
  const progressOf = async (payload: { readonly engine: string; readonly model_id: string }) => {
    const task = await worker.submit('model_cache', payload)
    await task.result()
    return (await worker.get(task.id))?.progress
  }
  expect(await progressOf({ engine: 'file', model_id: 'good.gguf' })).toMatchObject({ note: 'bytes read' })
  expect(await progressOf({ engine: 'embedder', model_id: 'builtin' })).toEqual({
    done: 0,
    total: null,
    note: 'loading',
  })
})
