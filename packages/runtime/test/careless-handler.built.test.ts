import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker, memoryQueue, WorkerError, type QueueDriver } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { expect, onTestFinished, test } from 'vitest'
import careless from './fixtures/careless.fixture.js'

/** A store that is away for the first tries of what a handler says, and what it took of a task, in order. */
function awayForHandlers(inner: QueueDriver) {
  const taken: string[] = []
  const left = { checkpoint: 2, child: 2 }
  const refuse = (what: keyof typeof left) => {
    if (left[what]-- > 0)
      throw new WorkerError('store_unavailable', 'another process held the write lock for too long')
  }
  const queue: QueueDriver = {
    ...inner,
    async record(fence, report) {
      refuse('checkpoint')
      const answer = await inner.record(fence, report)
      taken.push(`checkpoint ${answer}`)
      return answer
    },
    async submit(tasks) {
      const isChild = tasks[0]?.type === 'child'
      if (isChild) refuse('child')
      const answers = await inner.submit(tasks)
      if (isChild) taken.push(`child ${answers[0]?.kind}`)
      return answers
    },
    async settle(fence, settlement) {
      const answer = await inner.settle(fence, settlement)
      taken.push(`end ${answer}`)
      return answer
    },
  }
  return { queue, taken }
}

const cases = (['inline', 'thread'] as const).flatMap((host) =>
  (['memory', 'sqlite'] as const).map((store) => ({ host, store })),
)

test.each(cases)(
  'what a handler said without waiting for it is stored before its end ($host host, $store queue)',
  async ({ host, store }) => {
    const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-careless-'))
    const path = join(dataDir, 'tasks.db')
    const { queue, taken } = awayForHandlers(store === 'memory' ? memoryQueue() : sqliteQueue({ path }))
    const worker = createWorker({
      plugins: [careless()],
      hosts: { '@test/careless': host },
      queue,
      dataDir,
      logger: createLogger({ destination: { write: () => {} } }),
    })
    onTestFinished(async () => {
      await worker.stop({ timeoutMs: 2000 })
      rmSync(dataDir, { recursive: true, force: true })
    })
    await worker.start()
    await worker.pause('child')
    const { id } = await worker.submit('careless', {})
    expect(await worker.wait(id, { timeoutMs: 10_000 })).toMatchObject({ status: 'succeeded', deliveries: 1 })
    expect(taken.slice(0, 2).toSorted()).toEqual(['checkpoint recorded', 'child accepted'])
    expect(taken.slice(2)).toEqual(['end settled'])
  },
)
