import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What the next request meets; `hold` is answered when the test calls `release`. */
type Fault =
  | { kind: 'status'; status: number; body?: string; headers?: Record<string, string> }
  | { kind: 'drop' }
  | { kind: 'drop-mid-body' }
  | { kind: 'stall-mid-body' }
  | { kind: 'hold' }
  | { kind: 'body'; body: string }
  | { kind: 'edit'; edit: (data: EmbeddingItem[]) => unknown[] }

interface EmbeddingItem {
  object: 'embedding'
  index: number
  embedding: number[]
}

interface ReceivedRequest {
  url: string
  authorization: string | undefined
  body: { model: string; input: string[]; encoding_format: string; dimensions?: number }
}

/** A small OpenAI-compatible server on a free port, with faults that are met in order, one per request. */
export interface EmbeddingServer extends AsyncDisposable {
  baseUrl: string
  requests: ReceivedRequest[]
  faults: Fault[]
  /** The most requests that were under way at one time. */
  mostAtOnce: number
  /** Resolves when so many requests have been held. */
  held: (count: number) => Promise<void>
  /** Answers all held requests, and holds no more. */
  release: () => void
  /** Resolves when a client has hung up on a held request. */
  hungUp: Promise<void>
}

export const serverDimension = 8

/** What the server gives for a text: not of unit length, and different for texts that differ in their letters. */
export function serverVector(input: string): number[] {
  return Array.from({ length: serverDimension }, (_, d) => {
    let sum = d + 1
    for (let index = d; index < input.length; index += serverDimension) sum += input.charCodeAt(index)
    return sum
  })
}

interface Latch {
  promise: Promise<void>
  resolve: () => void
}

function createLatch(): Latch {
  const emitter = new EventEmitter()
  return { promise: once(emitter, 'open').then(() => undefined), resolve: () => void emitter.emit('open') }
}

export async function startEmbeddingServer(): Promise<EmbeddingServer> {
  const requests: ReceivedRequest[] = []
  const faults: Fault[] = []
  const hanging = createLatch()
  const released = createLatch()
  const watchers: { count: number; resolve: () => void }[] = []
  let heldCount = 0
  let atOnce = 0

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await text(request)) as ReceivedRequest['body']
    requests.push({ url: request.url ?? '', authorization: request.headers.authorization, body })
    atOnce += 1
    server.mostAtOnce = Math.max(server.mostAtOnce, atOnce)
    response.on('close', () => (atOnce -= 1))
    const fault = faults.shift()
    if (fault?.kind === 'hold') {
      response.on('close', () => response.writableEnded || hanging.resolve())
      heldCount += 1
      for (const { count, resolve } of watchers) if (heldCount >= count) resolve()
      await released.promise
    }
    reply(response, body.input, fault)
  }

  const http = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const server: EmbeddingServer = {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    requests,
    faults,
    mostAtOnce: 0,
    held: (count) =>
      new Promise((resolve) => {
        if (heldCount >= count) resolve()
        else watchers.push({ count, resolve })
      }),
    release: () => released.resolve(),
    hungUp: hanging.promise,
    async [Symbol.asyncDispose]() {
      released.resolve()
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
  return server
}

function reply(response: ServerResponse, input: string[], fault: Fault | undefined): void {
  if (response.destroyed) return
  if (fault?.kind === 'drop') {
    response.socket?.destroy()
    return
  }
  if (fault?.kind === 'status') {
    response.writeHead(fault.status, fault.headers).end(fault.body ?? '')
    return
  }
  if (fault?.kind === 'body') {
    response.end(fault.body)
    return
  }
  const data = input.map(
    (item, index) => ({ object: 'embedding', index, embedding: serverVector(item) }) as const,
  )
  const body = JSON.stringify({ object: 'list', data: fault?.kind === 'edit' ? fault.edit(data) : data })
  if (fault?.kind === 'drop-mid-body' || fault?.kind === 'stall-mid-body') {
    response.writeHead(200, { 'content-length': String(body.length) })
    response.write(body.slice(0, 40), () => fault.kind === 'drop-mid-body' && response.socket?.destroy())
    return
  }
  response.end(body)
}
