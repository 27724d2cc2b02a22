import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker, isWorkerError } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { expect, it, onTestFinished } from 'vitest'
import hosted from './fixtures/hosted.fixture.js'

/** Everything but the first pages, which every open connection knows by heart. */
function damage(path: string): void {
  const file = openSync(path, 'r+')
  const garbage = Buffer.alloc(statSync(path).size - 64 * 1024, 0xa5)
  writeSync(file, garbage, 0, garbage.length, 64 * 1024)
  closeSync(file)
}

it('a read that meets a damaged page ends all acknowledging, and is answered itself', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-damage-'))
  const path = join(dataDir, 'queue.db')
  const failures: Error[] = []
  const worker = createWorker({
    plugins: [hosted({})],
    queue: sqliteQueue({ path }),
    dataDir,
    role: 'api',
    logger: createLogger({ destination: { write: () => {} } }),
    onFatal: (error) => failures.push(error),
  })
  onTestFinished(async () => {
    await worker.stop({ timeoutMs: 1000 })
    rmSync(dataDir, { recursive: true, force: true })
  })
  await worker.start()
  const text = 'x'.repeat(50_000)
  const ids: string[] = []
  for (let i = 0; i < 10; i++) {
    const tasks = Array.from({ length: 40 }, () => ({ type: 'echo', payload: { text } }))
    ids.push(...(await worker.submitMany(tasks)).map(({ id }) => id))
  }
  damage(path)
  const answers = await Promise.allSettled(ids.map((id) => worker.get(id)))
  const codes = answers.flatMap((one) =>
    one.status === 'rejected' && isWorkerError(one.reason) ? [one.reason.code] : [],
  )
  expect(codes).toContain('store_failed')
  await expect.poll(() => failures.length).toBeGreaterThan(0)
  expect(failures[0]).toMatchObject({ code: 'store_failed' })
  await expect(worker.submit('echo', { text: 'too late' })).rejects.toMatchObject({ code: 'store_failed' })
  expect(worker.notReady()).toEqual(['store'])
})
