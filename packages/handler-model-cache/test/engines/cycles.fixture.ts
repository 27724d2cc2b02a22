import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ModelEngine } from '@mcp-worker/handler-model-cache'
import { expect, onTestFinished, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { modelFolder } from './folder.fixture.js'
import { onnxChildren, residentBytes } from './onnx-children.js'
import { engineThreads } from './worker-threads.js'

const cycles = 200
/** What a process takes once and keeps (pools of threads, code, arenas of the allocator) is there after so many. */
const settling = 20
/** The middle of the sizes after so many counts: one alone differs by how the allocator has cut its arenas just then. */
const looks = 20
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const never = new AbortController().signal

/**
 * A test of its own file for each engine: what another one takes meanwhile would be in the figure. Several models at a time where that is steady, for a load mostly waits for its
 * own thread or process.
 * @param open is given a folder for models, and answers the engine and its models, a divisor of 20 of them
 */
export function describeCycles(
  name: string,
  open: (root: string) => Promise<{ readonly engine: ModelEngine; readonly models: readonly string[] }>,
): void {
  test(
    `${name} takes within 10 % of the start after 200 loads and unloads`,
    { timeout: 600_000 },
    async () => {
      const { engine, models } = await open(await modelFolder())
      onTestFinished(() => engine.close())
      const sizes: number[] = []
      for (let done = 0; done < settling + looks + cycles; done += models.length) {
        await Promise.all(models.map((model) => cycle(engine, model)))
        sizes.push(await allMemory())
      }
      const rounds = looks / models.length
      const start = middleOf(sizes.slice(settling / models.length).slice(0, rounds))
      const end = middleOf(sizes.slice(-rounds))
      expect(start).toBeGreaterThan(0)
      expect(end).toBeLessThanOrEqual(start * 1.1)
      expect(await onnxChildren()).toEqual([])
      expect(engineThreads()).toBe(0)
    },
  )
}

async function cycle(engine: ModelEngine, model: string): Promise<void> {
  const loaded = await engine.load(modelRef(model), loadOptions())
  await loaded.warmup({ runs: 1, maxMs: 60_000, signal: never })
  await loaded.unload(never)
}

function middleOf(sizes: readonly number[]): number {
  return sizes.toSorted((a, b) => a - b)[Math.floor(sizes.length / 2)] ?? Number.NaN
}

/** Resident memory of this process and its children, without what the test itself has left to be collected. */
async function allMemory(): Promise<number> {
  collectGarbage()
  const sizes = await Promise.all([process.pid, ...(await onnxChildren())].map(residentBytes))
  return sizes.reduce((sum, size) => sum + size, 0)
}
