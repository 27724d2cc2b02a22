import { openEmbedder } from '@mcp-worker/embedder'
import type { LoadedModel, LoadOptions, ModelEngine, ModelRef } from '../../engine.js'
import { ModelError } from '../../errors.js'
import { type Host, loadErrorOf } from '../host/host.js'
import { startThread } from '../host/thread.js'
import { refuseRevision } from '../model-root.js'
import type { EmbedderCalls } from './embedder-thread.js'
import { createLoadedEmbedder } from './loaded-embedder.js'
import type { EmbedderEngineOptions } from './options.js'

const threadModule = new URL('embedder-thread.js', import.meta.url)

/** A thread with the built-in word table, and one with a client of a server, on the high side. Source: docs/engines.md. */
const builtinBytes = 48 * 1024 * 1024
const clientBytes = 24 * 1024 * 1024

/** Keeps embedders of @mcp-worker/embedder ready, each in a thread of its own: embedding does not hold up the caller, and its memory is back with the thread. */
export function createEmbedderEngine({ models, threadMemoryMb }: EmbedderEngineOptions): ModelEngine {
  const hosts = new Set<Host<EmbedderCalls>>()
  const closing = new AbortController()

  async function find({ modelId, revision, digest }: ModelRef) {
    refuseRevision({ modelId, revision, digest })
    const options = Object.entries(models).find(([name]) => name === modelId)?.[1]
    if (!options) {
      const known = Object.keys(models).join(', ')
      throw new ModelError('MODEL_NOT_FOUND', `expected one of ${known}, got ${JSON.stringify(modelId)}`)
    }
    const own = options.engine === 'builtin' ? `sha256:${(await builtinFingerprint()).assetHash}` : null
    if (digest !== null && own === null) {
      throw new ModelError('MODEL_UNSUPPORTED', 'expected no digest for a model that is on a server, got one')
    }
    if (digest !== null && own !== digest.toLowerCase()) {
      throw new ModelError('DIGEST_MISMATCH', `expected ${digest} as the digest of ${modelId}, got ${own}`)
    }
    return { options, digest: own, bytes: options.engine === 'builtin' ? builtinBytes : clientBytes }
  }

  async function load(model: ModelRef, { signal: given, progress }: LoadOptions): Promise<LoadedModel> {
    const signal = AbortSignal.any([given, closing.signal])
    signal.throwIfAborted()
    const { options } = await find(model)
    progress(0, null)
    const host = startThread<EmbedderCalls>(threadModule, {
      what: `the thread of embedder ${JSON.stringify(model.modelId)}`,
      memoryMb: threadMemoryMb,
    })
    hosts.add(host)
    try {
      const { fingerprint, bytes } = await host.call('load', options, { signal })
      return createLoadedEmbedder(host, fingerprint, bytes, () => hosts.delete(host))
    } catch (error) {
      await host.end()
      hosts.delete(host)
      throw loadErrorOf(host, error)
    }
  }

  return {
    name: 'embedder',
    endpoint: 'thread:embedder',
    pool: 'process',
    sharedEndpoint: false,
    async estimate(model, signal) {
      signal.throwIfAborted()
      const { bytes, digest } = await find(model)
      return { bytes, digest }
    },
    load,
    async close() {
      closing.abort(new ModelError('CACHE_CLOSED', 'expected an open engine, got one that was closed'))
      await Promise.all([...hosts].map((host) => host.end()))
    },
  }
}

/** Opening it reads nothing. */
async function builtinFingerprint() {
  return (await openEmbedder()).fingerprint
}
