import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createKeeper, DEFAULT_LIMITS, type NewTask, type QueueLimits } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { fakeClock } from '@mcp-worker/runtime/testing'
import { describe, expect, it, onTestFinished } from 'vitest'

/** A queue of its own, what its thread died of, and the file behind its back. */
async function opened(limits: Partial<QueueLimits> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-worker-bounds-'))
  const path = join(directory, 'queue.db')
  const time = fakeClock()
  const { clock } = time
  const failures: Error[] = []
  const onFatal = (error: Error) => void failures.push(error)
  const keeper = createKeeper({ clock, leaseMs: DEFAULT_LIMITS.leaseMs, graceMs: 5000, onDeath: onFatal })
  const queue = sqliteQueue({ path })
  await queue.open({ clock, keeper, limits: { ...DEFAULT_LIMITS, ...limits }, log: () => {}, onFatal })
  const file = new DatabaseSync(path, { timeout: 5000 })
  onTestFinished(async () => {
    file.close()
    await queue.close({ deadlineMs: 1000 })
    await keeper.close({ deadlineMs: 1000 })
    rmSync(directory, { recursive: true, force: true })
  })
  return { queue, time, clock, failures, file, path }
}

function task(id: string, fields: Partial<NewTask> = {}): NewTask {
  return {
    id,
    type: 'alpha',
    version: 1,
    payload: '{}',
    priority: 0,
    runAt: 0,
    maxAttempts: 5,
    timeoutMs: null,
    expiresAt: null,
    idempotency: null,
    ...fields,
  }
}

const ids = (count: number) => Array.from({ length: count }, (_, n) => `task-${n}`)
const anyAlpha = (max: number) => ({ wants: [{ type: 'alpha', versions: [1], free: max }], max })
/** A payload of 1 MiB, and one of as many characters that takes twice as many within another text. */
const LARGE = JSON.stringify('x'.repeat(1024 * 1024 - 2))
const QUOTES = JSON.stringify('"'.repeat(512 * 1024 - 1))

describe('payloads of the largest size', () => {
  it('come in pages and claims that end early, without a gap', async () => {
    const { queue } = await opened()
    const all = ids(100)
    for (const id of all) await queue.submit([task(id, { payload: LARGE })])
    const listed: string[] = []
    let cursor: string | null = null
    do {
      const page = await queue.list({ limit: 1000, ...(cursor !== null && { cursor }) })
      expect(page.tasks.length).toBeLessThan(40)
      listed.push(...page.tasks.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== null)
    expect(listed).toEqual(all.toReversed())
    const claimed: string[] = []
    while (claimed.length < 100) {
      const { deliveries } = await queue.claim(anyAlpha(1000))
      expect(deliveries.length).toBeGreaterThan(0)
      expect(deliveries.length).toBeLessThan(70)
      claimed.push(...deliveries.map((delivery) => delivery.task.id))
    }
    expect(claimed).toEqual(all)
  }, 60_000)

  it('many answers at once, longer than a text can be, come in several messages', async () => {
    const { queue, failures } = await opened()
    await queue.submit([task('large', { payload: QUOTES })])
    const answers = await Promise.all(ids(300).map(() => queue.get('large')))
    expect(new Set(answers.map((answer) => answer?.id))).toEqual(new Set(['large']))
    expect(failures).toEqual([])
  }, 60_000)

  it('one submit that is longer than a text can be is refused, and its neighbours are not', async () => {
    const { queue, failures } = await opened()
    const tooMuch = queue.submit(ids(300).map((id) => task(id, { payload: QUOTES })))
    const neighbour = queue.submit([task('small')])
    await expect(tooMuch).rejects.toMatchObject({ code: 'payload_too_large' })
    expect(await neighbour).toMatchObject([{ kind: 'accepted' }])
    expect(await queue.get('task-0')).toBeNull()
    expect(failures).toEqual([])
  }, 60_000)
})

it('of expired tasks none is delivered, however many there are', async () => {
  const { queue, time, clock } = await opened()
  const expiresAt = clock.wall() + 60_000
  await queue.submit(ids(1600).map((id) => task(id, { expiresAt })))
  time.stepWall(120_000)
  expect((await queue.claim(anyAlpha(1000))).deliveries).toEqual([])
  await expect.poll(async () => (await queue.counts()).byType['alpha']?.failed).toBe(1600)
})

it('forgets idempotency keys as fast as they come, when their time is up', async () => {
  const { queue, time, file } = await opened({ idempotencyTtlMs: 1000 })
  await queue.submit(ids(1600).map((key) => task(key, { idempotency: { scope: '', key } })))
  time.advance(61_000)
  const kept = file.prepare('SELECT count(*) AS n FROM keys')
  await expect.poll(() => kept.get()).toEqual({ n: 0 })
})

it('a task whose stored log cannot be read any more is read and delivered without it', async () => {
  const { queue, file } = await opened()
  await queue.submit([task('bad'), task('good')])
  const first = await queue.claim(anyAlpha(1))
  const line = { at: 1, level: 'info', event: 'began' } as const
  await queue.record(first.deliveries[0]!.fence, { log: [line] })
  await queue.settle(first.deliveries[0]!.fence, { kind: 'release' })
  file.exec(`UPDATE reports SET log = '[{"at"'`)
  expect(await queue.get('bad')).toMatchObject({ id: 'bad', log: [] })
  const { deliveries } = await queue.claim(anyAlpha(2))
  expect(deliveries.map((delivery) => delivery.task.id)).toEqual(['bad', 'good'])
  expect(await queue.record(deliveries[0]!.fence, { log: [line] })).toBe('recorded')
  expect((await queue.get('bad'))?.log).toEqual([line])
})

it('a new file and its log can be read by their owner only', async () => {
  const { path, queue } = await opened()
  await queue.submit([task('secret')])
  for (const suffix of ['', '-wal']) expect(statSync(`${path}${suffix}`).mode & 0o077).toBe(0)
})
