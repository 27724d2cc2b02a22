import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createLocalQdrant, type LocalQdrant } from './local-routes.js'
import { Refusal } from './local-point.js'

/** What goes wrong with a request. */
export type Fault =
  /** 429, with a `Retry-After` header if given. */
  | { readonly kind: 'rate_limit'; readonly retryAfter?: string }
  | { readonly kind: 'status'; readonly status: number; readonly error: string; readonly retryAfter?: string }
  /** The connection is closed: before anything is done, after so many points were changed, or when all is done. */
  | { readonly kind: 'drop'; readonly after: 'nothing' | 'all' | number }
  /** The answer waits until the promise is fulfilled. */
  | { readonly kind: 'slow'; readonly until: Promise<unknown> }

interface FaultRule {
  /** Of requests whose `METHOD /path` matches. */
  readonly on: RegExp
  readonly fault: Fault
  /** The first so many. Default 1. */
  readonly times?: number
  /** In place of `times`: each so-many-th, for ever. */
  readonly every?: number
}

export interface LocalServer {
  readonly url: string
  readonly qdrant: LocalQdrant
  /** `METHOD /path?query` of all requests so far, also of those with a fault. */
  readonly requests: readonly string[]
  fault(rule: FaultRule): void
  close(): Promise<void>
}

export interface LocalServerOptions {
  /** What it says it is. */
  readonly version?: string
  /** Searches that are not asked to be exact overlook one document in so many. */
  readonly overlooks?: number
  readonly apiKey?: string
}

/** A stand-in for Qdrant over real HTTP, where no real one is to be had. docs/engines.md says what is shown by it, and what is not. */
export async function startLocalQdrant({
  version = '1.19.0',
  overlooks = Infinity,
  apiKey,
}: LocalServerOptions = {}): Promise<LocalServer> {
  const qdrant = createLocalQdrant({ version, overlooks })
  const rules: { rule: FaultRule; seen: number }[] = []
  const requests: string[] = []

  function takeFault(request: string): Fault | null {
    for (const own of rules) {
      const { on, times = 1, every, fault } = own.rule
      if (!on.test(request)) continue
      own.seen++
      if (every === undefined ? own.seen <= times : own.seen % every === 0) return fault
    }
    return null
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const name = `${request.method} ${url.pathname}`
    requests.push(name + url.search)
    const fault = takeFault(name)
    const body = await text(request)
    if (apiKey !== undefined && request.headers['api-key'] !== apiKey) {
      return send(response, 401, {
        status: { error: 'Must provide an API key or an Authorization bearer token' },
      })
    }
    if (fault?.kind === 'drop' && fault.after === 'nothing') return void request.socket.destroy()
    if (fault?.kind === 'slow') await fault.until
    const refusal = refusalOf(fault)
    if (refusal !== null)
      return send(response, refusal.status, { status: { error: refusal.error } }, refusal.headers)
    let points = fault?.kind === 'drop' && typeof fault.after === 'number' ? fault.after : Infinity
    const result = await qdrant.answer({
      method: request.method ?? '',
      wait: url.searchParams.get('wait') === 'true',
      path: url.pathname.split('/').slice(1).map(decodeURIComponent),
      body: body === '' ? null : JSON.parse(body),
      onPoint: () => {
        if (points-- <= 0) throw new Cut()
      },
    })
    if (fault?.kind === 'drop') return void request.socket.destroy()
    const isRoot = url.pathname === '/'
    send(response, 200, isRoot ? result : { result, status: 'ok', time: 0.001 })
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if (error instanceof Cut) return void request.socket.destroy()
      const status = error instanceof Refusal ? error.status : 500
      send(response, status, { status: { error: error instanceof Error ? error.message : '' }, time: 0 })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    qdrant,
    requests,
    fault: (rule) => void rules.push({ rule, seen: 0 }),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** The connection is closed in the middle of a batch. */
class Cut extends Error {}

function refusalOf(fault: Fault | null) {
  if (fault?.kind === 'rate_limit') {
    const error =
      'Rate limiting exceeded: Write rate limit exceeded: Operation requires 1 tokens but only 0.0 were available'
    return { status: 429, error, headers: retryAfter(fault.retryAfter) }
  }
  if (fault?.kind !== 'status') return null
  return { status: fault.status, error: fault.error, headers: retryAfter(fault.retryAfter) }
}

function retryAfter(value: string | undefined): Readonly<Record<string, string>> {
  return value === undefined ? {} : { 'retry-after': value }
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}
