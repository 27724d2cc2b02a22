import type { AbortReason } from './plugin.js'
import type { KnownType } from './registry.js'
import { runDelivery, type DeliverySurroundings, type Running } from './run-delivery.js'
import type { Delivery } from './task.js'

export interface InHandOptions {
  readonly types: ReadonlyMap<string, KnownType>
  readonly around: DeliverySurroundings
  /** Takes a place for a type; answers the way to give it back. */
  readonly take: (type: string) => () => void
  /** A handler has ended, and its place is free; the settle may be on its way still. */
  readonly onFree: () => void
  /** The last delivery has been settled. */
  readonly onEmpty: () => void
}

export type InHand = ReturnType<typeof createInHand>

/** The deliveries that this worker runs, by their fences. */
export function createInHand({ types, around, take, onFree, onEmpty }: InHandOptions) {
  const { queue, logger, metrics, clock } = around
  const running = new Map<string, Running>()
  let renewing: NodeJS.Timeout | null = null

  function finish(fence: string): void {
    running.delete(fence)
    if (running.size === 0) onEmpty()
  }

  function abort(fence: string, reason: AbortReason): void {
    running.get(fence)?.deadline.abort(reason)
  }

  async function renew(): Promise<void> {
    const fences = [...running.keys()]
    if (fences.length === 0) return
    const answers = await queue.renew(fences)
    for (const [index, fence] of fences.entries()) if (answers[index] === 'stale') abort(fence, 'lease_lost')
  }

  return {
    begin(delivery: Delivery): void {
      const { type, readyAt } = delivery.task
      const known = types.get(type)
      if (!known) return
      const giveBack = take(type)
      metrics.active.inc()
      metrics.wait.observe({ task_type: type }, Math.max(0, clock.wall() - readyAt) / 1000)
      const one = runDelivery(delivery, known, around)
      running.set(delivery.fence, one)
      void one.performed.then(() => {
        giveBack()
        metrics.active.dec()
        onFree()
      })
      void one.settled.then(() => finish(delivery.fence))
    },
    abort,
    abortAll(reason: AbortReason): void {
      for (const one of running.values()) one.deadline.abort(reason)
    },
    isEmpty: () => running.size === 0,
    fences: (): readonly string[] => [...running.keys()],
    /** For drivers whose leases the keeper does not renew. */
    startRenewing(): void {
      if (queue.capabilities.keeperRenews) return
      renewing = setInterval(() => {
        renew().catch((error: unknown) => logger.warn({ error: String(error) }, 'renew_failed'))
      }, around.leaseMs / 3)
    },
    stopRenewing(): void {
      if (renewing) clearInterval(renewing)
    },
  }
}
