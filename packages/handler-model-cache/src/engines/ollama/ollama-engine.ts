import type { LoadedModel, LoadOptions, ModelEngine, ModelRef, ObservedModel } from '../../engine.js'
import { ModelError } from '../../errors.js'
import { refuseRevision } from '../model-root.js'
import { estimateBytes } from './estimate-bytes.js'
import { createLoadedOllama, touchModel } from './loaded-ollama.js'
import { canonicalName, shortName } from './model-name.js'
import type { OllamaEngineOptions } from './options.js'
import { createPresenceWatch } from './presence-watch.js'
import {
  baseOf,
  createOllamaServer,
  type ModelDetails,
  type RunningModel,
  type StoredModel,
} from './server.js'
import { findRunning, unloadModel } from './unload.js'

/** How long a load that was given up waits for the server to give the memory back. */
const giveBackMs = 5000

interface FoundModel extends StoredModel {
  readonly details: ModelDetails
}

/** Loads models on an Ollama server. Its memory is its own: the pool is the server, and others may load and unload there too. */
export function createOllamaEngine(options: OllamaEngineOptions): ModelEngine {
  const endpoint = baseOf(options.url)
  const server = createOllamaServer(options)
  const watch = createPresenceWatch(server, options.watchInterval)
  const closing = new AbortController()
  const loads = new Set<Promise<void>>()
  /** How the cache calls the models that it asked for, by the server's name. */
  const askedNames = new Map<string, string>()

  async function find(model: ModelRef, signal: AbortSignal): Promise<FoundModel> {
    refuseRevision(model)
    const name = canonicalName(model.modelId)
    askedNames.set(name, model.modelId)
    const stored = (await server.stored(signal)).find((candidate) => canonicalName(candidate.name) === name)
    if (!stored) {
      const problem = `expected ${JSON.stringify(model.modelId)} on ${endpoint}, got no such model (ollama pull)`
      throw new ModelError('MODEL_NOT_FOUND', problem)
    }
    const digest = `sha256:${stored.digest.replace(/^sha256:/, '')}`
    if (model.digest !== null && model.digest.toLowerCase() !== digest) {
      const problem = `expected ${model.digest} as the digest of ${JSON.stringify(model.modelId)}, got ${digest}`
      throw new ModelError('DIGEST_MISMATCH', problem)
    }
    return { ...stored, digest, details: await server.details(stored.name, signal) }
  }

  /** While the server loads something it does not say: it is waited for, as the load itself would have to. */
  function findThere({ modelId }: ModelRef, signal: AbortSignal): Promise<RunningModel | null> {
    return findRunning(server, modelId, signal, options.loadTimeout)
  }

  function load(model: ModelRef, loadOptions: LoadOptions): Promise<LoadedModel> {
    const loading = loadModel(model, loadOptions)
    const ended = loading.then(
      () => {},
      () => {},
    )
    loads.add(ended)
    void ended.then(() => loads.delete(ended))
    return loading
  }

  async function loadModel(
    model: ModelRef,
    { signal: given, progress, keepAliveMs }: LoadOptions,
  ): Promise<LoadedModel> {
    const signal = AbortSignal.any([given, closing.signal])
    const found = await find(model, signal)
    const wasThere = (await findThere(model, signal)) !== null
    progress(0, found.size)
    try {
      // as the server writes it: older ones do not find another case
      const input = { model: found.name, keepAliveMs, timeoutMs: options.loadTimeout }
      const dimension = await touchModel(server, input, isEmbedding(found.details), signal)
      const running = await findThere(model, signal)
      if (!running)
        throw new ModelError('MODEL_GONE', `expected ${endpoint} to hold ${model.modelId}, it does not`)
      progress(found.size, found.size)
      const digest = found.digest.slice('sha256:'.length)
      const parts = { server, watch, input, options, digest, dimension, bytes: running.size }
      return createLoadedOllama({ ...parts, modelId: model.modelId, wasThere })
    } catch (error) {
      // what somebody else had loaded stays
      if (!wasThere) await giveBack(found.name)
      throw error
    }
  }

  /** After a load that failed or was given up. Where the server does not answer either, its memory is not ours to know. */
  async function giveBack(model: string): Promise<void> {
    const timeoutMs = Math.min(options.unloadTimeout, giveBackMs)
    await unloadModel(server, model, timeoutMs, new AbortController().signal).catch(() => {})
  }

  return {
    name: 'ollama',
    endpoint,
    pool: endpoint,
    sharedEndpoint: true,
    idOf: shortName,
    async estimate(model, signal) {
      const { size, digest, details } = await find(model, signal)
      const running = await findThere(model, signal)
      return { bytes: running?.size ?? estimateBytes(size, details.info, options.contextLength), digest }
    },
    load,
    async observe(signal) {
      const running = await server.running(signal, options.loadTimeout)
      return running.map(({ name, size }): ObservedModel => {
        const modelId = askedNames.get(canonicalName(name)) ?? shortName(name)
        return { modelId, revision: null, bytes: size, idleMs: null }
      })
    },
    async close() {
      closing.abort(new ModelError('CACHE_CLOSED', 'expected an open engine, got one that was closed'))
      watch.close()
      await Promise.all(loads)
    },
  }
}

function isEmbedding({ capabilities }: ModelDetails): boolean {
  return capabilities !== null && capabilities.includes('embedding') && !capabilities.includes('completion')
}
