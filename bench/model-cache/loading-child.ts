/** Loads one model in one way, in this process, and writes what that did to its event loop and its memory: `node loading-child.ts WAY MODE ROOT MODEL`. */
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  createFileEngine,
  createOnnxEngine,
  fileEngineOptions,
  type ModelEngine,
  onnxEngineOptions,
} from '@mcp-worker/handler-model-cache'
import type { LoadingSample, Mode, Way } from './loading.ts'

const [way, mode, root, model] = process.argv.slice(2) as [Way, Mode, string, string]
const path = join(root, model)
const resolutionMs = 1

/** Answers the function that frees the model. */
const ways: Record<Way, (signal: AbortSignal) => Promise<() => Promise<unknown>>> = {
  idle: async (signal) => {
    await setTimeout(2000, undefined, { signal })
    return async () => {}
  },
  'onnx-inline': async () => {
    const { InferenceSession } = await import('onnxruntime-node')
    const session = await InferenceSession.create(path, { intraOpNumThreads: 1 })
    return () => session.release()
  },
  'onnx-thread': async (signal) => {
    // code without a file of its own looks for packages from the working directory
    const runtime = createRequire(import.meta.url).resolve('onnxruntime-node')
    const worker = new Worker(threadCode, { eval: true, workerData: { runtime, path } })
    signal.addEventListener('abort', () => void worker.terminate())
    await new Promise((resolve, reject) => {
      worker.on('message', resolve).on('error', reject).on('exit', reject)
    })
    return () => worker.terminate()
  },
  'onnx-engine': (signal) => loadBy(createOnnxEngine(onnxEngineOptions.parse({ root })), signal),
  'file-read-at-once': async () => {
    createHash('sha256').update(readFileSync(path)).digest()
    return async () => {}
  },
  'file-streamed': async (signal) => {
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path, { signal, highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer)
    return async () => {}
  },
  'file-engine': (signal) => loadBy(createFileEngine(fileEngineOptions.parse({ root })), signal),
}

const threadCode = `
const { parentPort, workerData } = require('node:worker_threads')
require(workerData.runtime).InferenceSession.create(workerData.path, { intraOpNumThreads: 1 }).then((session) => {
  globalThis.session = session
  parentPort.on('message', () => {}).postMessage('loaded')
})`

async function loadBy(engine: ModelEngine, signal: AbortSignal): Promise<() => Promise<unknown>> {
  const digest = engine.name === 'file' ? `sha256:${hashOf()}` : null
  const reference = { modelId: model, revision: null, digest }
  const loaded = await engine.load(reference, { signal, progress: () => {}, keepAliveMs: null })
  return async () => {
    await loaded.unload(new AbortController().signal)
    await engine.close()
  }
}

/** Known beforehand: the parent has hashed the file. */
function hashOf(): string {
  return process.env['MODEL_SHA256'] ?? ''
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6)

async function measure(): Promise<LoadingSample> {
  await setTimeout(200)
  const before = process.memoryUsage.rss()
  const abort = new AbortController()
  const delay = monitorLoop()
  // its first sample only sets its clock: what blocks the loop before that is not seen
  await setTimeout(50)
  const started = performance.now()
  if (mode === 'abort') {
    let abortedAt = 0
    void setTimeout(500).then(() => {
      abortedAt = performance.now()
      abort.abort(new Error('enough'))
    })
    await ways[way](abort.signal).then(
      () => {
        throw new Error('the load ended before it was aborted')
      },
      () => {},
    )
    return {
      ms: performance.now() - abortedAt,
      ...delay.read(),
      keptMb: megabytes(process.memoryUsage.rss() - before),
    }
  }
  const free = await ways[way](abort.signal)
  const ms = performance.now() - started
  // a turn of the loop, so that a delay that has not ended yet is in
  await setTimeout(20)
  const lag = delay.read()
  await free()
  await setTimeout(100)
  return { ms, ...lag, keptMb: megabytes(process.memoryUsage.rss() - before) }
}

/** The delay of the loop, and the CPU time of this thread between two of its turns. */
function monitorLoop() {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  let busyMaxMs = 0
  let before = cpuMs()
  setInterval(() => {
    const now = cpuMs()
    busyMaxMs = Math.max(busyMaxMs, now - before)
    before = now
  }, resolutionMs).unref()
  return {
    read: () => ({
      lagP99Ms: delay.percentile(99) / 1e6 - resolutionMs,
      lagMaxMs: delay.max / 1e6 - resolutionMs,
      busyMaxMs,
    }),
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

console.log(JSON.stringify(await measure()))
process.exit(0)
