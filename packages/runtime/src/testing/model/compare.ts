import { expect } from 'vitest'
import type { QueueCounts } from '../../queue.js'
import type { Task } from '../../task.js'
import { until } from '../queue-fixture.js'
import type { Model, ModelTask } from './model.js'
import type { Real } from './real.js'

/** The driver shows what the model has: each task, and the counts. Asked of either owner in turn. */
export async function agree(model: Model, real: Real): Promise<void> {
  const driver = real.driver(real.turn())
  const [tasks, counts] = await Promise.all([
    Promise.all(model.tasks.map(({ given }) => driver.get(given.id))),
    driver.counts(),
  ])
  expect(tasks.map((task) => task && shownOf(task))).toEqual(model.tasks.map(expectedOf))
  expect(shownCounts(counts)).toEqual(expectedCounts(model))
  for (const [i, task] of tasks.entries()) {
    const { attempts, crashes, releases, snoozes, deliveries } = task!
    const open = task!.status === 'running' ? 1 : 0
    expect(
      attempts + crashes + releases + snoozes + open + model.tasks[i]!.ended,
      'the counters add up',
    ).toBe(deliveries)
  }
}

/** As `agree`, for what another thread, process or clock brings about: it may take a moment. */
export async function agreeSoon(model: Model, real: Real): Promise<void> {
  let last: unknown
  const agreed = async () => {
    try {
      // both owners must see it
      await agree(model, real)
      await agree(model, real)
      return true
    } catch (error) {
      last = error
      // what is done lazily, at a claim, is done now
      await real.driver(real.turn()).claim({ wants: [], max: 0 })
      return false
    }
  }
  await until('the driver agrees with the model', agreed).catch(() => {
    throw last
  })
}

function shownOf(task: Task) {
  const { id, status, attempts, crashes, releases, snoozes, deliveries, result, failureReason } = task
  const cancelRequested = task.status === 'running' && task.cancelRequested
  const final = task.finishedAt !== null
  const counters = { attempts, crashes, releases, snoozes, deliveries }
  return {
    id,
    status,
    ...counters,
    result,
    failureReason,
    cancelRequested,
    final,
    error: errorOf(status, task.error?.code ?? null),
  }
}

function expectedOf(task: ModelTask): ReturnType<typeof shownOf> {
  const { given, status, attempts, crashes, releases, snoozes, deliveries, result } = task
  return {
    id: given.id,
    status,
    attempts,
    crashes,
    releases,
    snoozes,
    deliveries,
    result,
    failureReason: task.failureReason as Task['failureReason'],
    cancelRequested: task.cancelRequested,
    final: ['succeeded', 'failed', 'cancelled'].includes(status),
    error: errorOf(status, task.errorCode),
  }
}

/** What a driver notes on a cancelled task is its own affair. */
function errorOf(status: Task['status'], code: string | null): string | null {
  return status === 'cancelled' ? null : code
}

function shownCounts({ byType, waiting, paused, suspects }: QueueCounts) {
  const waits = waiting
    .filter(({ count }) => count > 0)
    .map(({ type, version, count }) => `${type} ${version}: ${count}`)
  return { byType, waiting: waits.toSorted(), paused: [...paused].toSorted(), suspects }
}

function expectedCounts({ tasks, paused }: Model): ReturnType<typeof shownCounts> {
  const byType: Record<string, Record<string, number>> = {}
  const waiting = new Map<string, number>()
  for (const { given, status } of tasks) {
    const ofType = (byType[given.type] ??= {})
    ofType[status] = (ofType[status] ?? 0) + 1
    const name = `${given.type} ${given.version}`
    if (['scheduled', 'queued', 'retrying'].includes(status)) waiting.set(name, (waiting.get(name) ?? 0) + 1)
  }
  return {
    byType,
    waiting: [...waiting].map(([name, count]) => `${name}: ${count}`).toSorted(),
    paused: [...paused].toSorted(),
    suspects: tasks.filter(({ status, suspect }) => status === 'queued' && suspect).length,
  }
}
