import { once } from 'node:events'
import { createKeeper } from '@mcp-worker/runtime'
import { fakeClock } from '@mcp-worker/runtime/testing'
import { expect, it, onTestFinished } from 'vitest'

const LEASE_MS = 24 * 3_600_000

it('a renewal that failed is tried again at once, and not when the next one is due', async () => {
  const { clock, stepMonotonic } = fakeClock()
  const keeper = createKeeper({
    clock,
    leaseMs: LEASE_MS,
    graceMs: 5000,
    onDeath: (error) => expect.unreachable(error.message),
  })
  onTestFinished(() => keeper.close({ deadlineMs: 5000 }))
  const port = await keeper.attach(new URL('../fixtures/shaky-resident.fixture.ts', import.meta.url), null)
  const now = clock.monotonic()
  keeper.board.enter({ fence: '1:1', inline: false, deadline: now + 2 * LEASE_MS, now })
  const first = once(port, 'message')
  stepMonotonic(LEASE_MS / 3)
  expect(await first).toMatchObject([{ tries: 1, fences: ['1:1'] }])
  // eight hours before the next one is due
  expect(await once(port, 'message')).toMatchObject([{ tries: 2, fences: ['1:1'] }])
})
