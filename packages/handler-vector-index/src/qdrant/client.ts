import type { QdrantClient, Schemas } from '@qdrant/js-client-rest'
import { importPeer } from '../import-peer.js'
import { pause } from '../pause.js'
import { errorOf, mayPass, readFault } from './errors.js'
import type { QdrantStoreOptions } from './options.js'
import { watchRetryAfter } from './retry-after.js'

export type Api = ReturnType<QdrantClient['api']>
export type Condition = Schemas['Condition']
export type Filter = Schemas['Filter']
export type { Schemas }

interface Response<T> {
  readonly data: { readonly result?: T }
}

/** Sends a request, again where that may help: each one that this package makes may be done twice. Rejects with a `QdrantFault`, or as the port says. */
export type Call = <T>(
  request: (api: Api, init: RequestInit) => Promise<Response<T>>,
  signal?: AbortSignal,
) => Promise<T>

export interface Connection {
  readonly call: Call
  /** The server's version. */
  readonly version: (signal?: AbortSignal) => Promise<string>
  readonly close: () => void
}

type ConnectionOptions = Pick<QdrantStoreOptions, 'url' | 'apiKey' | 'requestTimeoutMs' | 'retryForMs'>

export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { QdrantClient: Client } = await importPeer(
    'qdrant',
    '@qdrant/js-client-rest',
    () => import('@qdrant/js-client-rest'),
  )
  const { pathname, origin } = addressOf(options.url)
  const client = new Client({
    url: origin,
    ...(pathname !== '/' && { prefix: pathname }),
    // as a header: given as apiKey the client warns on the console where the url is http
    ...(options.apiKey !== undefined && { headers: { 'api-key': options.apiKey } }),
    // its own timeout would replace the signal of a request
    timeout: Infinity,
    checkCompatibility: false,
  })
  const api = client.api()
  const retryAfter = watchRetryAfter(origin)
  const send = <T>(request: (init: RequestInit) => Promise<T>, signal: AbortSignal | undefined) =>
    whileItMayPass(request, { ...options, signal, retryAfter: () => retryAfter.leftMs() })
  return {
    call: async (request, signal) => {
      const { data } = await send((init) => request(api, init), signal)
      if (data.result === undefined)
        throw errorOf({ status: null, message: 'an answer without a result' }, null, null)
      return data.result
    },
    version: async (signal) => (await send((init) => api.root({}, init), signal)).data.version,
    close: () => retryAfter.close(),
  }
}

/** An explicit port is kept, also where it is the scheme's own; without one it is Qdrant's. */
function addressOf(url: string): { readonly origin: string; readonly pathname: string } {
  const { protocol, hostname, pathname } = new URL(url)
  const port = /^https?:\/\/[^/]*?:(\d+)(?:\/|$)/.exec(url)?.[1] ?? '6333'
  return { origin: `${protocol}//${hostname}:${port}`, pathname: pathname.replace(/\/+$/, '') || '/' }
}

interface Patience extends ConnectionOptions {
  readonly signal: AbortSignal | undefined
  /** What the server asked for, in milliseconds. */
  readonly retryAfter: () => number | null
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

async function whileItMayPass<T>(request: (init: RequestInit) => Promise<T>, patience: Patience): Promise<T> {
  const { signal, requestTimeoutMs, retryForMs, retryAfter } = patience
  const giveUpAt = performance.now() + retryForMs
  for (let failures = 0; ; failures++) {
    signal?.throwIfAborted()
    const timeout = AbortSignal.timeout(requestTimeoutMs)
    try {
      return await request({ signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) })
    } catch (error) {
      signal?.throwIfAborted()
      const fault = timeout.aborted
        ? { status: null, message: `no answer within ${requestTimeoutMs} ms` }
        : readFault(error)
      const wanted = fault.status === 429 || fault.status === 503 ? retryAfter() : null
      const pauseMs =
        wanted ?? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + Math.random())
      if (!mayPass(fault) || performance.now() + pauseMs > giveUpAt) throw errorOf(fault, error, wanted)
      await pause(pauseMs, signal)
    }
  }
}
