import assert from 'node:assert/strict'
import { type Container, until } from './podman.ts'

/** Of a task, as the API shows it, what is looked at here. */
export interface TaskJson {
  readonly id: string
  readonly status: string
  readonly attempts: number
  readonly crashes: number
  readonly releases: number
  readonly deliveries: number
  readonly error: { readonly code: string } | null
}

export const TASKS = 300
const DOCUMENTS_PER_TASK = 20

/** Submits 300 `vector_index` tasks with documents of their own. `name` is the collection, and begins each task's id. */
export async function submitLoad(container: Container, name: string): Promise<void> {
  const tasks = Array.from({ length: TASKS }, (_, i) => ({
    id: `${name}-${i}`,
    type: 'vector_index',
    payload: {
      collection: name,
      documents: Array.from({ length: DOCUMENTS_PER_TASK }, (_unused, j) => ({
        id: `${i}-${j}`,
        text: `Document ${j} of task ${i}: what a worker does while nobody waits for it.`,
      })),
    },
  }))
  const { status, body } = await container.call('POST', '/tasks/batch', { tasks })
  assert.equal(status, 202, JSON.stringify(body))
}

/** The 300 tasks of this load as they stand. They must be the newest ones. */
async function tasksOf(container: Container, name: string): Promise<readonly TaskJson[]> {
  const { body } = await container.call<{ tasks: TaskJson[] }>(
    'GET',
    `/tasks?type=vector_index&limit=${TASKS}`,
  )
  const tasks = body.tasks.filter((task) => task.id.startsWith(`${name}-`))
  assert.equal(new Set(tasks.map((task) => task.id)).size, TASKS)
  return tasks
}

const isFinal = (task: TaskJson) => ['succeeded', 'failed', 'cancelled'].includes(task.status)

export function untilSomeEnded(container: Container, name: string, some: number): Promise<number> {
  return until(`${some} tasks have ended`, async () => {
    const ended = (await tasksOf(container, name)).filter(isFinal).length
    return ended >= some && ended
  })
}

/** Once all have ended: as successes, and with every document in its place once. */
export async function untilAllSucceeded(container: Container, name: string): Promise<readonly TaskJson[]> {
  const tasks = await until('every task has ended', async () => {
    const found = await tasksOf(container, name)
    return found.every(isFinal) && found
  })
  assert.deepEqual(tasks.filter((task) => task.status !== 'succeeded').slice(0, 3), [])
  const { body } = await container.call<{ collections: { name: string; count: number }[] }>(
    'POST',
    '/queries/vector_collections',
    {},
  )
  assert.equal(body.collections.find((one) => one.name === name)?.count, TASKS * DOCUMENTS_PER_TASK)
  return tasks
}

/** How often each task of this load was settled as a success, by the containers' own logs. */
export async function successesOf(
  containers: readonly Container[],
  name: string,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const container of containers) {
    for (const line of (await container.logs()).lines) {
      const id = String(line['task_id'])
      if (line.event !== 'task_processed' || line['status'] !== 'success' || !id.startsWith(`${name}-`))
        continue
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
  }
  return counts
}
