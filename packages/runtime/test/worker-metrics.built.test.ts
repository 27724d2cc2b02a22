import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWorker, memoryQueue, type Worker } from '@mcp-worker/runtime'
import { expect, it, onTestFinished } from 'vitest'
import { wordsWorkers } from './words-worker.js'

const IN_HAND = fileURLToPath(new URL('./fixtures/in-hand.fixture.ts', import.meta.url))
const { onDisk, started, surroundings } = wordsWorkers()

it('every known type begins at 0, so that a first failure is an increase', async () => {
  const { worker } = await started()
  const text = await worker.registry.metrics()
  for (const line of [
    'mcp_worker_tasks_processed_total{task_type="shout",status="failed"} 0',
    'mcp_worker_tasks_failed_total{task_type="refuse"} 0',
    'mcp_worker_host_crashes_total{task_type="health_check"} 0',
    'mcp_worker_task_duration_seconds_count{task_type="shout"} 0',
  ]) {
    expect(text).toContain(`${line}\n`)
  }
})

it('the first scrape tells already what the queue holds and what the disks have left', async () => {
  const { worker } = await started()
  await worker.pause('shout')
  await worker.submitMany([
    { type: 'shout', payload: { word: 'a' } },
    { type: 'shout', payload: { word: 'b' }, delay: '1h' },
  ])
  const text = await worker.registry.metrics()
  expect(text).toContain('mcp_worker_queue_tasks{task_type="shout",status="queued"} 1\n')
  expect(text).toContain('mcp_worker_queue_tasks{task_type="shout",status="scheduled"} 1\n')
  expect(text).toMatch(/^mcp_worker_disk_free_bytes\{disk="data"\} [1-9]\d+$/m)
  expect(text).toMatch(/^mcp_worker_disk_free_bytes\{disk="temp"\} [1-9]\d+$/m)
})

it('the first scrape tells of tasks that this worker cannot run', async () => {
  const { worker } = await started({ queue: onDisk() })
  await worker.submit('shout', { word: 'later' }, { delay: '1h' })
  await worker.stop()
  const other = createWorker({ plugins: [], queue: onDisk(), ...surroundings() })
  onTestFinished(async () => void (await other.stop({ timeoutMs: 1000 })))
  await other.start()
  const text = await other.registry.metrics()
  expect(text).toContain('mcp_worker_tasks_unroutable{task_type="shout"} 1\n')
})

it('a queue that fails takes no other figure along', async () => {
  const queue = memoryQueue()
  const { worker } = await started({ queue })
  queue.counts = () => Promise.reject(new Error('gone'))
  const text = await worker.registry.metrics()
  expect(text).not.toMatch(/^mcp_worker_queue_oldest_ready_seconds/m)
  expect(text).toContain('mcp_worker_active_tasks 0\n')
})

it('a scrape asks the queue once for all the gauges that it feeds', async () => {
  const queue = memoryQueue()
  const { worker } = await started({ queue })
  const counts = queue.counts.bind(queue)
  let asked = 0
  queue.counts = () => {
    asked++
    return counts()
  }
  await worker.registry.metrics()
  expect(asked).toBe(1)
  await worker.registry.metrics()
  expect(asked).toBe(2)
})

it('a blocked loop is seen in its lag', async () => {
  const { worker } = await started()
  // a turn before it: the measure begins with its own first timer
  await setTimeout(50)
  const until = performance.now() + 600
  while (performance.now() < until);
  await setTimeout(50)
  const text = await worker.registry.metrics()
  expect(Number(/^mcp_worker_event_loop_lag_seconds (.+)$/m.exec(text)?.[1])).toBeGreaterThan(0.3)
})

it('a task waits from when it could be claimed, not from when it was meant to run', async () => {
  const { worker } = await started()
  const { id } = await worker.submit('shout', { word: 'late' }, { runAt: new Date(Date.now() - 3_600_000) })
  await worker.wait(id, { timeoutMs: 20_000 })
  const text = await worker.registry.metrics()
  const seconds = /^mcp_worker_task_wait_seconds_sum\{task_type="shout"\} (.+)$/m.exec(text)?.[1]
  expect(Number(seconds)).toBeLessThan(1_800)
})

it('what a killed worker had in hand is counted by the one that takes it back', async () => {
  const { dataDir } = surroundings()
  const dying = spawn(process.execPath, [IN_HAND, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void dying.kill('SIGKILL'))
  await once(dying.stdout, 'data')
  const { worker } = await started({ queue: onDisk() })
  expect(await recovered(worker)).toBe('0')
  dying.kill('SIGKILL')
  await expect.poll(() => recovered(worker)).toBe('2')
})

async function recovered({ registry }: Pick<Worker, 'registry'>): Promise<string | undefined> {
  return /^mcp_worker_tasks_recovered_total\{why="owner_died"\} (.+)$/m.exec(await registry.metrics())?.[1]
}
