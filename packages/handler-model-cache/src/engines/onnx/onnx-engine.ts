import type { LoadedModel, LoadOptions, ModelEngine, ModelRef } from '../../engine.js'
import { ModelError } from '../../errors.js'
import { startChild } from '../host/child.js'
import { type Host, loadErrorOf } from '../host/host.js'
import { refuseRevision, resolveModelFile, resolveWeights } from '../model-root.js'
import { createFileReader } from '../reader/reader.js'
import { currentIdentity } from '../reader/watch-file.js'
import { timeRuns } from '../warmup-times.js'
import { reportReading } from './load-progress.js'
import type { OnnxCalls } from './onnx-child.js'
import type { OnnxEngineOptions } from './options.js'

const childModule = new URL('onnx-child.js', import.meta.url)

/**
 * What a load was measured to take at its peak: the process with the runtime, and the weights twice while they are read. Source: docs/engines.md.
 */
const processBytes = 96 * 1024 * 1024
const peakPerByte = 2.1

/**
 * Runs ONNX models with ONNX Runtime, each in a process of its own: a load or a run that is given up is killed, a crash of the native code takes nothing
 * with it, and its memory is back when it has ended. (A thread cannot be killed in a native call: that aborts the whole process.)
 *
 * Needs the package onnxruntime-node, which is not installed with this one: ENGINE_NOT_INSTALLED.
 */
export function createOnnxEngine({ root, threads, providers }: OnnxEngineOptions): ModelEngine {
  const reader = createFileReader()
  const hosts = new Set<Host<OnnxCalls>>()
  const closing = new AbortController()

  async function inspect(model: ModelRef, signal: AbortSignal) {
    refuseMissingRuntime()
    refuseRevision(model)
    const file = await resolveModelFile(root, model.modelId)
    const report = await reader.inspect({ file, name: model.modelId, digest: model.digest }, { signal })
    if (report.format !== 'onnx') {
      const problem = `expected an ONNX model (a file named *.onnx) for ${JSON.stringify(model.modelId)}, got ${report.format}`
      throw new ModelError('MODEL_UNSUPPORTED', problem)
    }
    const paths = report.externals.map((external) => external.path)
    await resolveWeights(root, paths)
    const bytes = report.externals.reduce((sum, external) => sum + external.bytes, report.bytes)
    return { path: file.path, bytes, digest: report.digest, identity: report.identity }
  }

  async function load(model: ModelRef, options: LoadOptions): Promise<LoadedModel> {
    const signal = AbortSignal.any([options.signal, closing.signal])
    const { path, bytes, identity } = await inspect(model, signal)
    const host = startChild<OnnxCalls>(childModule, {
      what: `the process of model ${JSON.stringify(model.modelId)}`,
    })
    hosts.add(host)
    try {
      await host.call('prepare', null, { signal })
      const input = { path, threads, providers }
      const loaded = await withProgress(host.pid, bytes, options, () => host.call('load', input, { signal }))
      const isCurrent = async () => (await currentIdentity(path)) === identity
      if (!(await isCurrent())) {
        throw new ModelError(
          'LOAD_FAILED',
          `expected ${model.modelId} to stay as it is while it is loaded, it changed`,
        )
      }
      const handle = createLoadedOnnx(host, loaded.bytes, () => hosts.delete(host))
      return { ...handle, isCurrent }
    } catch (error) {
      await host.end()
      hosts.delete(host)
      throw loadErrorOf(host, error)
    }
  }

  return {
    name: 'onnx',
    endpoint: 'process:onnx',
    pool: 'process',
    sharedEndpoint: false,
    async estimate(model, signal) {
      const { bytes, digest } = await inspect(model, signal)
      const peakBytes = Math.ceil(processBytes + peakPerByte * bytes)
      return { bytes: peakBytes, peakBytes, digest }
    },
    load,
    async close() {
      closing.abort(new ModelError('CACHE_CLOSED', 'expected an open engine, got one that was closed'))
      await Promise.all([reader.close(), ...[...hosts].map((host) => host.end())])
    },
  }
}

/** Before anything is evicted for the model. */
function refuseMissingRuntime(): void {
  try {
    import.meta.resolve('onnxruntime-node')
  } catch (cause) {
    throw new ModelError(
      'ENGINE_NOT_INSTALLED',
      'expected the package onnxruntime-node, got none: `npm install onnxruntime-node`, with the setting `onnxruntime-node-install=skip` where its download of GPU libraries is blocked',
      { cause },
    )
  }
}

async function withProgress<T>(
  pid: number | null,
  bytes: number,
  { progress }: LoadOptions,
  run: () => Promise<T>,
): Promise<T> {
  progress(0, bytes)
  const stop = pid === null ? null : reportReading(pid, bytes, progress)
  try {
    const output = await run()
    stop?.()
    progress(bytes, bytes)
    return output
  } finally {
    stop?.()
  }
}

function createLoadedOnnx(host: Host<OnnxCalls>, measuredBytes: number, onEnd: () => void): LoadedModel {
  host.onGone(onEnd)
  return {
    measuredBytes,
    warmup({ inputs, prompt, ...limits }) {
      if (prompt !== undefined) {
        return Promise.reject(
          new ModelError('MODEL_UNSUPPORTED', 'expected inputs by name for an ONNX model, got a prompt'),
        )
      }
      return timeRuns(limits, async (signal) => (await host.call('run', { given: inputs }, { signal })).ms)
    },
    async unload(signal) {
      signal.throwIfAborted()
      await host.end()
      onEnd()
    },
    onGone: (callback) => host.onGone(callback),
  }
}
