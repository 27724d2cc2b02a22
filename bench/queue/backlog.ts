import { CONCURRENCY, type EngineUse, payloadOf, until } from './engine.ts'
import type { Answer, Order } from './in-child.ts'
import { ourWorker, succeededOf } from './ours.ts'

type Seen = Pick<Answer, 'ms' | 'rssMb'>

/** Accepts `waiting` tasks by the thousand and runs none. */
export async function fill(order: Order): Promise<Seen> {
  const worker = ourWorker(useOf(order, 'submit'), 'power', roomFor(order))
  await worker.start()
  const waiting = order.waiting ?? 0
  const from = performance.now()
  for (let first = 0; first < waiting; first += 1000) {
    const size = Math.min(1000, waiting - first)
    await worker.submitMany(
      Array.from({ length: size }, (_, i) => ({ type: 'noop', payload: payloadOf(first + i) })),
    )
  }
  const ms = performance.now() - from
  await worker.stop({ timeoutMs: 10_000 })
  return { ms }
}

/** The oldest go first, and as many come in behind them: the level stays. */
export async function drainBeside(order: Order): Promise<Seen> {
  const worker = ourWorker(useOf(order, 'both'), 'power', roomFor(order))
  const from = performance.now()
  await worker.start()
  let next = 0
  const submitter = async () => {
    while (next < order.tasks) {
      const index = next++
      await worker.submit('noop', payloadOf(index))
      // keeps the level: never further ahead of the worker than the submitters are many
      if (index % CONCURRENCY === 0)
        await until(async () => (await succeededOf(worker)) >= index - CONCURRENCY, 1)
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, submitter))
  await until(async () => (await succeededOf(worker)) >= order.tasks, 2)
  const ms = performance.now() - from
  const rssMb = process.memoryUsage.rss() / 2 ** 20
  await worker.stop({ timeoutMs: 10_000 })
  return { ms, rssMb }
}

function useOf(order: Order, role: EngineUse['role']): EngineUse {
  return { role, tuneFor: 'rate', url: '', folder: order.folder, handled: () => {} }
}

/** The queue refuses beyond 1,000,000 by default: room for those that wait and for those that pass through. */
function roomFor(order: Order): { readonly maxWaiting: number } {
  return { maxWaiting: (order.waiting ?? 0) + order.tasks }
}
