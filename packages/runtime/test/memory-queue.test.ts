import { createBoard } from '../src/keeper/board.js'
import type { Keeper } from '../src/keeper/keeper.js'
import { createMemoryStore, memoryQueue } from '../src/memory-queue.js'
import { DEFAULT_LIMITS, type Wake } from '../src/queue.js'
import { fakeClock } from '../src/testing/fake-clock.js'
import type { QueueFactory } from '../src/testing/queue-fixture.js'
import { testQueueDriver } from '../src/testing/test-queue-driver.js'

/** The memory queue has no part in a keeper: whoever calls this one has found a defect. */
const noKeeper: Keeper = {
  board: createBoard(1),
  attach: () => Promise.reject(new Error('the memory queue attaches nothing to the keeper')),
  close: () => Promise.resolve(),
}

const memoryFixture: QueueFactory = async () => {
  const { clock } = fakeClock()
  const store = createMemoryStore()
  return {
    clock,
    async openOwner(limits) {
      const driver = memoryQueue({ store })
      const wakes: Wake[] = []
      driver.onWake((wake) => wakes.push(wake))
      await driver.open({
        clock,
        keeper: noKeeper,
        limits: { ...DEFAULT_LIMITS, ...limits },
        log: () => {},
        onFatal: (error) => {
          throw error
        },
      })
      // an owner that closes without settling leaves what a dead one leaves: leases that nobody renews
      return { driver, wakes, crash: () => driver.close({ deadlineMs: 0 }) }
    },
    dispose: async () => {},
  }
}

testQueueDriver('memory queue', memoryFixture)
