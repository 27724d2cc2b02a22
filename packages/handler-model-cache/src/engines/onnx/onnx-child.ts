import { readFileSync } from 'node:fs'
import type { InferenceSession, OnnxValue } from 'onnxruntime-node'
import { FaultError, throwFault } from '../host/engine-fault.js'
import { serve } from '../host/serve.js'
import {
  type Feed,
  givenFeeds,
  hasOpenDimensions,
  type InputShape,
  openDimensions,
  zeroFeeds,
} from './feeds.js'
import { loadFault, runFault } from './runtime-errors.js'

type Runtime = typeof import('onnxruntime-node')

interface LoadInput {
  readonly path: string
  readonly threads: number
  readonly providers: readonly string[]
}

let runtime: Runtime | null = null
let session: InferenceSession | null = null
let inputs: readonly InputShape[] = []
/** The open dimension that the model ran with. */
let fitting: number | null = null

const calls = {
  /** Loads the native library: a call of its own, so that what it reads is not counted as the model's. */
  async prepare(_input: null): Promise<void> {
    runtime = await import('onnxruntime-node').catch((cause: unknown) => {
      const said = cause instanceof Error ? cause.message : String(cause)
      return throwFault('ENGINE_NOT_INSTALLED', `expected the package onnxruntime-node to load, got ${said}`)
    })
  },
  async load({ path, threads, providers }: LoadInput): Promise<{ bytes: number }> {
    const { InferenceSession } = loadedRuntime()
    session = await InferenceSession.create(path, {
      intraOpNumThreads: threads,
      executionProviders: [...providers],
      // warnings about the graph would fill stderr, where the last words of a crash are looked for
      logSeverityLevel: 3,
    }).catch((error: unknown) => {
      throw new FaultError(loadFault(error))
    })
    inputs = session.inputMetadata.map(describeInput)
    return { bytes: residentBytes() }
  },
  /** One run; answers its milliseconds and what the process takes after it. */
  async run({ given }: { readonly given: unknown }): Promise<{ ms: number; bytes: number }> {
    const ms = given === undefined ? await runWithZeros() : await timeRun(givenFeeds(inputs, given))
    return { ms, bytes: residentBytes() }
  },
}

export type OnnxCalls = typeof calls

serve(calls)

function loadedRuntime(): Runtime {
  return runtime ?? throwFault('LOAD_FAILED', 'expected the runtime to be prepared, it is not')
}

function describeInput(input: InferenceSession.ValueMetadata): InputShape {
  if (!input.isTensor)
    return throwFault('MODEL_UNSUPPORTED', `expected tensors as inputs, got another for ${input.name}`)
  return { name: input.name, type: input.type, shape: input.shape }
}

async function runWithZeros(): Promise<number> {
  if (fitting !== null || !hasOpenDimensions(inputs)) return timeRun(zeroFeeds(inputs, fitting ?? 1))
  let failure: unknown = null
  for (const size of openDimensions) {
    try {
      const ms = await timeRun(zeroFeeds(inputs, size))
      fitting = size
      return ms
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function timeRun(feeds: readonly Feed[]): Promise<number> {
  const { Tensor } = loadedRuntime()
  const values: Record<string, OnnxValue> = {}
  for (const { name, type, dims, data } of feeds) {
    values[name] = new Tensor(type as 'float32', data as Float32Array, dims)
  }
  const started = performance.now()
  await session?.run(values).catch((error: unknown) => {
    throw new FaultError(runFault(error))
  })
  return performance.now() - started
}

/** Memory of this process alone: pages that it shares with others (Node itself) count by their share, where the system tells. */
function residentBytes(): number {
  try {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8')) ?? []
    if (kilobytes !== undefined) return Number(kilobytes) * 1024
  } catch {
    // not Linux, or not allowed
  }
  return process.memoryUsage.rss()
}
