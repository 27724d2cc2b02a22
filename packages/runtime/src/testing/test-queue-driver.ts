// oxlint-disable vitest/valid-title, vitest/expect-expect -- titles and assertions are in contract/
import { describe, test } from 'vitest'
import { CONTRACT_TESTS } from './contract-tests.js'
import type { QueueFactory } from './queue-fixture.js'
import { createScene, type ContractTest } from './scene.js'

export interface QueueSuiteOptions {
  /** Random lives that the model test plays. Default 100. */
  readonly runs?: number
  /** The seed that a failed model test printed, to play the same lives again. Default: a new one. */
  readonly seed?: number
  /** Time limit of one test in milliseconds. Default 60 s; the model test has ten seconds for each run at least. */
  readonly timeoutMs?: number
}

/**
 * Registers the conformance suite of the queue contract for one driver: a `describe(name)` with at least one test for each
 * marked sentence of `QueueDriver`. Call it at the top of a vitest file. `factory` is called once for every test (and every
 * run of the model test); what it has no means for is skipped, with the reason.
 */
export function testQueueDriver(name: string, factory: QueueFactory, options: QueueSuiteOptions = {}): void {
  const { timeoutMs = 60_000, runs = 100, seed } = options
  describe(name, () => {
    for (const [chapter, tests] of Object.entries(CONTRACT_TESTS)) {
      describe(chapter, () => {
        for (const each of tests) {
          test(each.title, { timeout: timeoutMs }, ({ skip }) =>
            play(each, factory, (reason) => skip(reason)),
          )
        }
      })
    }
    const modelTimeoutMs = Math.max(timeoutMs, runs * 10_000)
    test(
      '[model] two owners agree with the model in every random life',
      { timeout: 2 * modelTimeoutMs },
      async () => {
        // here, since it brings fast-check: who tests a plugin does not need that
        const { testAgainstModel } = await import('./model/test-against-model.js')
        await testAgainstModel(factory, { runs, seed, timeoutMs: modelTimeoutMs })
      },
    )
  })
}

async function play(
  each: ContractTest,
  factory: QueueFactory,
  skip: (reason: string) => never,
): Promise<void> {
  const fixture = await factory()
  const scene = createScene(fixture, skip)
  try {
    await each.run(scene)
  } finally {
    await scene.closeAll()
    await fixture.dispose()
  }
}
