import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import modelCache from '@mcp-worker/handler-model-cache'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { writeGguf } from './models/write-gguf.js'

async function startWorker() {
  const root = await mkdtemp(join(tmpdir(), 'model-cache-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const worker = createWorker({
    plugins: [modelCache({ modelsRoot: root, memoryLimitMb: 10, minResidency: '0s', keepAlive: -1 })],
    queue: memoryQueue(),
    dataDir: root,
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  return { root, worker }
}

test('missing, truncated, corrupt, over budget, another digest: distinct permanent errors, and nothing is evicted for them', async () => {
  const { root, worker } = await startWorker()
  for (const [name, mebibytes] of [
    ['good.gguf', 6],
    ['cut.gguf', 6],
    ['large.gguf', 12],
    ['other.gguf', 6],
  ] as const)
    writeGguf(join(root, name), mebibytes)
  await truncate(join(root, 'cut.gguf'), 3 * 2 ** 20)
  await writeFile(join(root, 'noise.gguf'), Buffer.alloc(6 * 2 ** 20, 7))
  expect(await (await worker.submit('model_cache', { model_id: 'good.gguf' })).result()).toMatchObject({
    outcome: 'loaded',
    engine: 'file',
  })
  const codeOf = async (model_id: string, digest?: string) => {
    const task = await worker.submit('model_cache', { model_id, ...(digest !== undefined && { digest }) })
    await task.result().catch(() => {})
    const { error, failureReason, attempts } = (await worker.get(task.id)) ?? {}
    expect([failureReason, attempts]).toEqual(['non_retryable', 1])
    return error?.code
  }
  expect(await codeOf('none.gguf')).toBe('MODEL_NOT_FOUND')
  expect(await codeOf('cut.gguf')).toBe('MODEL_TRUNCATED')
  expect(await codeOf('noise.gguf')).toBe('MODEL_CORRUPT')
  expect(await codeOf('large.gguf')).toBe('MODEL_OVER_BUDGET')
  expect(await codeOf('other.gguf', `sha256:${'0'.repeat(64)}`)).toBe('DIGEST_MISMATCH')
  const { models, last_eviction } = await worker.query('model_cache_status', {})
  expect([models.map(({ model_id }) => model_id), last_eviction]).toEqual([['good.gguf'], null])
})

test('two models of 60 % each take turns, and the budget is never exceeded', async () => {
  const { root, worker } = await startWorker()
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
