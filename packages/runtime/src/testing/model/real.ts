import type { Clock } from '../../clock.js'
import { DEFAULT_LIMITS, type QueueDriver } from '../../queue.js'
import type { TestOwner } from '../queue-fixture.js'
import type { Scene } from '../scene.js'
import type { ModelTask } from './model.js'

/** The driver under test with two owners, and the means to let them live and die. */
export interface Real {
  readonly clock: Clock
  readonly maxCrashes: number
  driver(owner: number): QueueDriver
  /** The owners in turn, so that what one did is asked of the other. */
  turn(): number
  nextId(): string
  /** A wall time at which nothing else happens, this long after the start of the test and all steps of the clock. */
  moment(inMs: number): number
  stepWall(ms: number): void
  /** The owner dies and another takes its number. The other's leases live on: it renews in time. */
  crash(owner: number, running: readonly ModelTask[]): Promise<void>
  /** Printed with the counterexample. */
  note(text: string): void
}

export async function createReal(scene: Scene, notes: string[]): Promise<Real> {
  const owners: TestOwner[] = [await scene.owner(), await scene.owner()]
  const start = scene.clock.wall()
  let stepped = 0
  let ids = 0
  let turns = 0

  async function renew(running: readonly ModelTask[], dying: number): Promise<void> {
    for (const { holder } of running) {
      if (holder && holder.owner !== dying) await owners[holder.owner]!.driver.renew([holder.fence])
    }
  }

  return {
    clock: scene.clock,
    maxCrashes: DEFAULT_LIMITS.maxCrashes,
    driver: (owner) => owners[owner]!.driver,
    turn: () => turns++ % 2,
    nextId: () => `life-${++ids}`,
    moment: (inMs) => Math.round(start + stepped + inMs),
    stepWall(ms) {
      stepped += ms
      scene.time.stepWall(ms)
    },
    async crash(dying, running) {
      await owners[dying]!.crash()
      for (let half = 0; half < 2; half++) {
        await renew(running, dying)
        await scene.ageLeases(DEFAULT_LIMITS.leaseMs / 2 + 500)
      }
      owners[dying] = await scene.owner()
    },
    note: (text) => void notes.push(text),
  }
}
