import type { Clock } from './clock.js'
import type { QueueDriver } from './queue.js'
import { untilStored, untilTime } from './until-stored.js'

export interface GiveBackAround {
  readonly queue: Pick<QueueDriver, 'settle'>
  readonly clock: Clock
  readonly leaseMs: number
}

/**
 * Releases deliveries at no charge: one that a process leaves in hand when it ends counts as a crash of its task. A store that is away for a
 * moment is asked again until the lease has ended or the queue is closed. Never rejects.
 */
export async function giveBack(
  fences: readonly string[],
  { queue, clock, leaseMs }: GiveBackAround,
): Promise<void> {
  const pause = untilTime(clock, clock.monotonic() + leaseMs)
  const release = (fence: string) => untilStored(() => queue.settle(fence, { kind: 'release' }), pause)
  await Promise.allSettled(fences.map(release))
}
