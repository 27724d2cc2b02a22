import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  createWorker,
  definePlugin,
  isWorkerError,
  taskStore,
  type RunContext,
  type TaskStore,
} from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'

/** A transaction waits for the write lock for a twelfth of it. */
const LEASE_MS = 3000

type Context = RunContext<unknown, unknown, { readonly tasks: TaskStore }>

async function startWorker(run: (context: Context) => Promise<unknown>) {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-worker-busy-'))
  const path = join(directory, 'queue.db')
  const plugin = definePlugin({
    contract: 1,
    name: '@test/busy',
    version: '1.0.0',
    module: import.meta.url,
    options: z.strictObject({}),
    uses: { tasks: taskStore },
    handlers: (handler) => [
      handler('steps', { payload: z.unknown(), result: z.unknown(), run }),
      handler('child', { payload: z.unknown(), result: z.unknown(), run: () => null }),
    ],
  })
  const worker = createWorker({
    plugins: [plugin()],
    queue: sqliteQueue({ path }),
    dataDir: directory,
    limits: { leaseMs: LEASE_MS },
    logger: pino({ level: 'silent' }),
  })
  await worker.start()
  onTestFinished(async () => {
    await worker.stop({ timeoutMs: 1000 })
    rmSync(directory, { recursive: true, force: true })
  })
  return { worker, neighbour: new DatabaseSync(path) }
}

/** Another process in a long transaction: until a submit that was made after `asked` was refused for it. */
async function holdLock(neighbour: DatabaseSync, asked: Promise<unknown>, submit: () => Promise<unknown>) {
  neighbour.exec('BEGIN IMMEDIATE')
  await asked
  const refused = await submit().then(
    () => null,
    (error: unknown) => (isWorkerError(error) ? error.code : error),
  )
  neighbour.exec('COMMIT')
  expect(refused).toBe('store_unavailable')
}

const steps: readonly [string, (context: Context) => Promise<unknown>][] = [
  ['a checkpoint', ({ checkpoint }) => checkpoint.set({ page: 1 })],
  ['a child', ({ submit }) => submit('child', {}, { key: 'one' })],
  [
    'the house-keeping of a handler',
    ({ services }) => services.tasks.pruneResults({ finishedBefore: 0, max: 10, dryRun: false }),
  ],
]

test.each(steps)(
  '%s that a busy neighbour holds up is done after it, and no attempt is charged',
  async (_what, step) => {
    const events = new EventTarget()
    const [locked, asked] = [once(events, 'locked'), once(events, 'asked')]
    const { worker, neighbour } = await startWorker(async (context) => {
      await locked
      const stored = step(context)
      events.dispatchEvent(new Event('asked'))
      await stored
      return context.checkpoint.get()
    })
    const { id } = await worker.submit('steps', {})
    await expect.poll(async () => (await worker.get(id))?.status).toBe('running')
    const held = holdLock(neighbour, asked, () => worker.submit('child', {}))
    events.dispatchEvent(new Event('locked'))
    await held
    expect(await worker.wait(id, { timeoutMs: 10_000 })).toMatchObject({
      status: 'succeeded',
      attempts: 0,
      deliveries: 1,
    })
  },
)

test('a handler that is told to stop does not wait for the store any longer', async () => {
  const events = new EventTarget()
  const [locked, asked] = [once(events, 'locked'), once(events, 'asked')]
  const refused = once(events, 'refused')
  const { worker, neighbour } = await startWorker(async ({ checkpoint }) => {
    await locked
    const stored = checkpoint.set({ page: 1 })
    events.dispatchEvent(new Event('asked'))
    stored.catch((detail: unknown) => events.dispatchEvent(new CustomEvent('refused', { detail })))
    await stored
  })
  const { id } = await worker.submit('steps', {})
  await expect.poll(async () => (await worker.get(id))?.status).toBe('running')
  neighbour.exec('BEGIN IMMEDIATE')
  events.dispatchEvent(new Event('locked'))
  await asked
  const stopping = worker.stop({ timeoutMs: 2000 })
  // and not queue_closed: it was told while the store was still away
  expect(await refused).toMatchObject([{ detail: { code: 'store_unavailable' } }])
  neighbour.exec('COMMIT')
  expect(await stopping).not.toBe('forced')
  expect(rowOf(neighbour, id)).toMatchObject({ status: 'queued', attempts: 0, releases: 1 })
})

function rowOf(db: DatabaseSync, id: string) {
  return db.prepare('SELECT status, attempts, releases FROM tasks WHERE id = ?').get(id)
}
