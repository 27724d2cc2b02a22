import { mkdir, readdir, realpath, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import vectorIndex from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, it, onTestFinished } from 'vitest'
import { runMain, startService, temporaryFolder } from './running-service.js'

/** A worker as the image starts it (docs/guides/healthy-disk.md, "In the container"): the default plugins, and a folder for temporary files with an old and a new file. */
async function startAsImage() {
  const root = await realpath(await temporaryFolder())
  await mkdir(join(root, 'job'))
  for (const name of ['job/old', 'new']) await writeFile(join(root, name), 'x')
  await utimes(join(root, 'job/old'), 1_000_000, 1_000_000)
  const config = { plugins: undefined }
  const service = await startService({ config, env: { CLEANUP_TEMP_ROOT: root, QUEUE_URL: 'memory:' } })
  const submit = async (payload: object) => {
    const { status, body } = await service.call('POST', '/tasks', { type: 'data_cleanup', payload })
    if (status !== 202) return { status, body }
    return service.call('GET', `/tasks/${body.id}?wait=20`)
  }
  return { root, service, submit }
}

it("the seed's cleanup task runs as it is written, and keeps what is young by its ctime", async () => {
  const { root, submit } = await startAsImage()
  const { body } = await submit({ target: 'temp_files', older_than: '24h' })
  expect(body).toMatchObject({
    status: 'succeeded',
    result: { outcome: 'done', deleted: 0, skipped: { young: 2 }, safety: 'pinned' },
  })
  expect((await readdir(root)).toSorted()).toEqual(['job', 'new'])
})

it('by mtime the old file goes; a preview names it before, and metrics count it after', async () => {
  const { root, service, submit } = await startAsImage()
  const payload = { target: 'temp_files', older_than: '24h', basis: 'mtime' }
  const preview = await service.call('POST', '/queries/cleanup_preview', payload)
  expect(preview.body).toMatchObject({ files: [{ path: 'job/old' }], next_cursor: null })
  const { body } = await submit(payload)
  expect(body.result).toMatchObject({ deleted: 1, files: [{ path: 'job/old' }] })
  expect(await readdir(root, { recursive: true })).not.toContain('job/old')
  const metrics = await (await fetch(`${service.metricsUrl}/metrics`)).text()
  expect(metrics).toContain('mcp_worker_data_cleanup_deleted_total{target="temp_files"} 1')
})

it('results of tasks go through the queue that keeps them', async () => {
  const { submit } = await startAsImage()
  await submit({ target: 'temp_files', older_than: '24h' })
  const { body } = await submit({ target: 'task_results', older_than: '1h' })
  expect(body).toMatchObject({
    status: 'succeeded',
    result: { kind: 'task_results', outcome: 'done', deleted: 0 },
  })
})

it('a payload that is none is refused with its faults, and no path can be named', async () => {
  const { submit } = await startAsImage()
  for (const payload of [
    { target: '/tmp', older_than: '24h' },
    { target: 'temp_files', older_than: '24' },
  ])
    expect(await submit(payload)).toMatchObject({ status: 422 })
})

it('a folder for temporary files that cannot be one ends the start with the reason', async () => {
  const home = await temporaryFolder()
  const env = { API_PORT: '0', METRICS_PORT: '0', DATA_DIR: join(home, 'data'), CLEANUP_TEMP_ROOT: '/' }
  const running = runMain(['start'], { cwd: home, env })
  expect(await running.ended).not.toBe(0)
  expect(running.stderr() + running.stdout()).toMatch(/targets\.temp_files\.root.*root of the file system/)
})

it("the vector index's dead rows go by a task of its own, which the cleanup asks for", async () => {
  const tasks = [{ type: 'vector_index', payload: { operation: 'optimize' } }]
  const worker = createWorker({
    plugins: [vectorIndex(), dataCleanup({ targets: { vectors: { kind: 'tasks', tasks } } })],
    queue: memoryQueue(),
    dataDir: await temporaryFolder(),
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  await (await worker.submit('vector_index', { documents: ['a', 'b'] })).result()
  const asked = await (await worker.submit('data_cleanup', { target: 'vectors' })).result()
  const child = await worker.wait(asked.tasks[0]?.id ?? '', { timeoutMs: 15_000 })
  expect(child).toMatchObject({ type: 'vector_index', status: 'succeeded' })
})
