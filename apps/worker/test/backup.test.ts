import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type RunningService, runMain, startService, temporaryFolder } from './running-service.js'

async function cli(dataDir: string, ...args: readonly string[]) {
  const running = runMain(args, { env: { DATA_DIR: dataDir } })
  const code = await running.ended
  return { code, out: running.stdout(), err: running.stderr() }
}

const dataOf = ({ folder }: RunningService) => join(folder, 'data')

/** Submits batches of `echo` until it is stopped; the ids are those that were answered. */
function startLoad({ call }: RunningService) {
  const ids: string[] = []
  let isOn = true
  const run = async (): Promise<void> => {
    if (!isOn) return
    const tasks = Array.from({ length: 40 }, (_, i) => ({
      type: 'echo',
      payload: { text: `${i}`.repeat(400) },
    }))
    const { status, body } = await call('POST', '/tasks/batch', { tasks })
    expect(status).toBe(202)
    ids.push(...(body.tasks as { id: string }[]).map(({ id }) => id))
    return run()
  }
  const done = run()
  return {
    ids,
    stop: async () => {
      isOn = false
      await done
    },
  }
}

/** A backup of one task that waits. */
async function makeBackup(): Promise<string> {
  const service = await startService()
  await service.call('POST', '/tasks', { type: 'echo', payload: { text: 'kept' }, id: 'kept', delay: 3_600 })
  const file = join(service.folder, 'backup.db')
  expect((await cli(dataOf(service), 'backup', file)).code).toBe(0)
  return file
}

describe('backup and restore', () => {
  it('under load: in an empty DATA_DIR every task is there that was accepted before, and ends', async () => {
    const service = await startService()
    const load = startLoad(service)
    await expect.poll(() => load.ids.length).toBeGreaterThan(400)
    const before = [...load.ids]
    const file = join(service.folder, 'backup.db')
    const backup = await cli(dataOf(service), 'backup', file)
    await load.stop()
    expect(backup).toMatchObject({ code: 0, err: '' })
    expect(load.ids.length).toBeGreaterThan(before.length)
    expect(JSON.parse(backup.out)).toMatchObject({ file, damaged: 0, bytes: (await stat(file)).size })

    const folder = await temporaryFolder()
    const restore = await cli(join(folder, 'data'), 'restore', file)
    expect(restore).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(restore.out)).toMatchObject({ tasks: JSON.parse(backup.out).tasks, set_aside: null })
    const restored = await startService({ folder })
    for (const id of before) {
      const { body } = await restored.call('GET', `/tasks/${id}?wait=10`)
      expect(body.status, id).toBe('succeeded')
    }
  })

  it('a worker that was killed leaves a queue that can be backed up, and restored in its place', async () => {
    const service = await startService()
    await service.call('POST', '/tasks', { type: 'until_stopped', payload: {}, id: 'in-hand' })
    await expect.poll(async () => (await service.call('GET', '/tasks/in-hand')).body.status).toBe('running')
    service.child.kill('SIGKILL')
    await service.ended
    const file = join(service.folder, 'backup.db')
    expect(await cli(dataOf(service), 'backup', file)).toMatchObject({ code: 0, err: '' })
    const { code, out } = await cli(dataOf(service), 'restore', file)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ tasks: 1, released: 1 })
    expect(await stat(JSON.parse(out).set_aside)).toBeDefined()
    const again = await startService({ folder: service.folder })
    await expect.poll(async () => (await again.call('GET', '/tasks/in-hand')).body.status).toBe('running')
    expect((await again.call('GET', '/tasks/in-hand')).body).toMatchObject({
      crashes: 0,
      attempts: 0,
      releases: 1,
    })
  })

  it('restore is refused while a worker has the queue, and works after its SIGTERM', async () => {
    const file = await makeBackup()
    const service = await startService()
    const refused = await cli(dataOf(service), 'restore', file)
    expect(refused).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('in use by a worker: stop it'),
    })
    service.child.kill('SIGTERM')
    expect(await service.ended).toBe(0)
    expect(await cli(dataOf(service), 'restore', file)).toMatchObject({ code: 0 })
  })

  it('a backup that was cut off is refused, and nothing is changed', async () => {
    const file = await makeBackup()
    await truncate(file, (await stat(file)).size - 100)
    const folder = await temporaryFolder()
    const refused = await cli(join(folder, 'data'), 'restore', file)
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('store_failed') })
    expect(refused.err).toContain('Take another backup')
    expect(await readdir(join(folder, 'data'))).toEqual([])
  })

  it('a backup with a damaged task is refused, and taken with --force', async () => {
    const file = await makeBackup()
    const bytes = await readFile(file)
    bytes[bytes.indexOf('{"text":"kept"}') + 10]! ^= 1
    await writeFile(file, bytes)
    const dataDir = join(await temporaryFolder(), 'data')
    const refused = await cli(dataDir, 'restore', file)
    expect(refused).toMatchObject({
      code: 1,
      err: expect.stringContaining('1 of 1 tasks do not match their hash: kept'),
    })
    expect(await cli(dataDir, 'restore', file, '--force')).toMatchObject({ code: 0 })
  })

  it('an existing file is only replaced with --force', async () => {
    const service = await startService()
    const file = join(service.folder, 'precious')
    await writeFile(file, 'precious')
    expect(await cli(dataOf(service), 'backup', file)).toMatchObject({
      code: 1,
      err: expect.stringContaining('--force'),
    })
    expect(await readFile(file, 'utf8')).toBe('precious')
    expect(await cli(dataOf(service), 'backup', file, '--force')).toMatchObject({ code: 0 })
  })

  it('the queue itself is not replaced by its backup, even with --force', async () => {
    const service = await startService()
    const queue = join(dataOf(service), 'queue.db')
    const refused = await cli(dataOf(service), 'backup', queue, '--force')
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('is the queue itself') })
  })

  it('a file or folder that is not there, or a queue in memory, ends with 64 and says what is expected', async () => {
    const folder = await temporaryFolder()
    expect(await cli(folder, 'backup', 'x.db')).toMatchObject({
      code: 64,
      err: expect.stringContaining('DATA_DIR'),
    })
    expect(await cli(folder, 'restore', 'x.db')).toMatchObject({
      code: 64,
      err: expect.stringContaining('a backup'),
    })
    const service = await startService()
    for (const [to, expected] of [
      [join(folder, 'none', 'x.db'), 'there is no folder'],
      [folder, 'is a folder: expected the name of a file'],
    ] as const) {
      const refused = await cli(dataOf(service), 'backup', to, '--force')
      expect(refused).toMatchObject({ code: 64, err: expect.stringContaining(expected) })
    }
    const running = runMain(['backup', 'x.db'], { env: { QUEUE_URL: 'memory:' } })
    expect(await running.ended).toBe(64)
    expect(running.stderr()).toContain('its tasks are in no file')
  })
})
