import * as fc from 'fast-check'
import type { QueueFactory } from '../queue-fixture.js'
import { createScene } from '../scene.js'
import { lives } from './commands.js'
import { createModel } from './model.js'
import { createReal } from './real.js'

export interface ModelTestOptions {
  readonly runs: number
  readonly seed: number | undefined
  readonly timeoutMs: number
}

/**
 * Plays random lives on the driver and on the model, and compares the two after each command. A failure prints the seed, the shortest
 * life that fails, and what it did.
 */
export async function testAgainstModel(factory: QueueFactory, options: ModelTestOptions): Promise<void> {
  const property = fc.asyncProperty(lives(), async (commands) => {
    const fixture = await factory()
    const scene = createScene(fixture, (reason) => {
      throw new Error(`the model test skips nothing: ${reason}`)
    })
    const notes: string[] = []
    try {
      const setup = async () => ({ model: createModel(), real: await createReal(scene, notes) })
      await fc.asyncModelRun(setup, commands)
    } catch (cause) {
      throw new Error(`${(cause as Error).message}\nsettled in this life: ${notes.join(', ')}`, { cause })
    } finally {
      await scene.closeAll()
      await fixture.dispose()
    }
  })
  await fc.assert(property, {
    numRuns: options.runs,
    interruptAfterTimeLimit: options.timeoutMs,
    markInterruptAsFailure: true,
    ...(options.seed === undefined ? {} : { seed: options.seed }),
  })
}
