import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { openQdrantStore as openSource } from '../../src/qdrant/store.js'
import type { VectorStore } from '../../src/store.js'
import { type LocalServer, type LocalServerOptions, startLocalQdrant } from './local-server.js'

type Options = Partial<Parameters<typeof openSource>[0]>

/**
 * A server of the test's own and a store on it; `again` opens another one on the same. All are closed after the test. Tests of what is built give
 * its own `openQdrantStore`.
 */
export async function openQdrantPlace(
  options: Options = {},
  serverOptions: LocalServerOptions = {},
  openQdrantStore = openSource,
): Promise<{
  readonly server: LocalServer
  readonly store: VectorStore
  readonly again: (more?: Options) => Promise<VectorStore>
}> {
  const server = await startLocalQdrant(serverOptions)
  onTestFinished(() => server.close())
  const again = async (more: Options = {}) => {
    const store = await openQdrantStore({ url: server.url, ...options, ...more })
    onTestFinished(() => store.close())
    return store
  }
  return { server, store: await again(), again }
}

/** Holds a request until it is opened. */
export function openGate(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  const opener = new AbortController()
  const promise = once(opener.signal, 'abort').then(() => {})
  return { promise, resolve: () => opener.abort() }
}
