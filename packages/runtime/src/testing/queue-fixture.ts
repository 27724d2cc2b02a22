import type { Clock } from '../clock.js'
import type { QueueDriver, QueueLimits, Wake } from '../queue.js'

/** Makes what one test needs: an empty store of its own, and the means to treat it badly. */
export type QueueFactory = () => Promise<QueueFixture>

/**
 * What `testQueueDriver` needs to know of a driver. Optional members are means that not every engine has: a test that needs a missing
 * one is skipped by name, with the reason.
 */
export interface QueueFixture {
  /** Given to every owner. The suite moves time by its offsets only and never waits for time to pass. */
  readonly clock: Clock
  /** Opens one more owner on the store, with a context of its own (keeper, log) and these limits over `DEFAULT_LIMITS`. */
  openOwner(limits?: Partial<QueueLimits>): Promise<TestOwner>
  /**
   * Lets `ms` pass on the clock by which the store judges leases. Default: steps the offsets of `clock`. A store with a clock of its own
   * (a server's) brings the end of every lease nearer instead.
   */
  readonly ageLeases?: (ms: number) => Promise<void>
  /** Restarts the store itself while no owner is open. Leave it out where the store lives in its owners. */
  readonly reopenStore?: () => Promise<void>
  /** Changes the stored payload of a task behind the driver's back, as a bad disk would. */
  readonly corrupt?: (id: string) => Promise<void>
  /** Makes the store stop answering (not refuse) for all owners. Answers the way to let it go on. */
  readonly freeze?: () => Promise<() => Promise<void>>
  /** Takes everything away. All owners that were not crashed are closed by then. */
  dispose(): Promise<void>
}

export interface TestOwner {
  readonly driver: QueueDriver
  /** What `onWake` told since the opening, oldest first. */
  readonly wakes: readonly Wake[]
  /**
   * The owner's process dies: no close, nothing handed back; nobody renews its leases. Recovery may see it at once or when the leases
   * have run out. The driver is not used again.
   */
  crash(): Promise<void>
}

/** The longest that the suite waits for something that another thread or server does by itself. */
const PATIENCE_MS = 10_000

/** Asks again and again until the condition holds; fails with `what` when it does not for 10 s. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
