import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface OllamaModel {
  /** With its tag, as the server lists it. */
  readonly name: string
  readonly size: number
  /** 64 hex digits. */
  readonly digest: string
  /** What it takes when it is loaded. */
  readonly memory: number
  readonly capabilities: readonly string[]
}

type Path = '/api/tags' | '/api/ps' | '/api/show' | '/api/generate' | '/api/embed'

/** Met once by the next request to its path. */
type Fault =
  | {
      readonly path: Path
      readonly kind: 'status'
      readonly status: number
      readonly error: string
      readonly headers?: Record<string, string>
    }
  | { readonly path: Path; readonly kind: 'body'; readonly body: string }
  | { readonly path: Path; readonly kind: 'drop' }
  /**
   * Answered after `release()`. A load whose client hangs up meanwhile is given up, as the server does; with `goesOn` it is finished all the same, which is
   * what happens where the hang-up comes too late.
   */
  | { readonly path: Path; readonly kind: 'hold'; readonly goesOn?: boolean }

interface Received {
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
  readonly authorization: string | undefined
}

/**
 * What Ollama answers, over real HTTP on a free port, for the requests that the engine makes: the answers and their order follow docs/api.md,
 * server/routes.go and server/sched.go of ollama/ollama (August 2026). It computes nothing.
 */
export interface OllamaServer extends AsyncDisposable {
  readonly url: string
  readonly received: Received[]
  readonly faults: Fault[]
  /** Names of what is in its memory. */
  readonly loaded: Set<string>
  /** Names in the order in which they were brought into memory; what was there already is no load. */
  readonly loads: string[]
  /** Bytes; a load beyond them is refused as the server refuses it. Default: no limit. */
  capacity: number
  /** How many more times a model that is asked to go is listed: the server answers before it is done. Default 1. */
  lingering: number
  heldBytes(): number
  /** Resolves when so many requests have been held. */
  held(count: number): Promise<void>
  /** Answers what is held, and holds nothing more. */
  release(): void
  /** Resolves when a client has hung up on a request that was held. */
  hungUp: Promise<unknown>
  /** No connection is accepted any more, and those there are break. */
  stop(): Promise<void>
}

export async function startOllamaServer(models: readonly OllamaModel[]): Promise<OllamaServer> {
  const events = new EventEmitter()
  const going = new Map<string, number>()
  const received: Received[] = []
  const faults: Fault[] = []
  const loaded = new Set<string>()
  const loads: string[] = []
  const keptFor = new Map<string, number>()
  const keptUntil = new Map<string, number>()
  const timers = new Map<string, NodeJS.Timeout>()
  const holds = { count: 0, loading: 0 }
  let released = false

  // names are compared without regard to case (types/model/name.go, getExistingName of server/routes.go)
  const find = (given: unknown): OllamaModel | undefined => {
    const asked = String(given).toLowerCase()
    return models.find(({ name }) => [asked, `${asked}:latest`].includes(name.toLowerCase()))
  }
  const hold = async (response: ServerResponse, goesOn: boolean): Promise<'go on' | 'given up'> => {
    holds.count += 1
    events.emit('held')
    const hungUp = once(response, 'close').then(() => {
      if (!response.writableEnded) events.emit('hung up')
      return 'given up' as const
    })
    const answered = released ? Promise.resolve() : once(events, 'release')
    if (goesOn) return answered.then(() => 'go on' as const)
    return Promise.race([hungUp, answered.then(() => 'go on' as const)])
  }
  const meetFault = async (path: string, isLoad: boolean, response: ServerResponse): Promise<boolean> => {
    const at = faults.findIndex((fault) => fault.path === path)
    const fault = at === -1 ? undefined : faults.splice(at, 1)[0]
    if (!fault) return false
    if (fault.kind === 'hold') {
      holds.loading += Number(isLoad)
      const how = await hold(response, fault.goesOn ?? false)
      holds.loading -= Number(isLoad)
      events.emit('load ended')
      return how === 'given up'
    }
    if (fault.kind === 'drop') response.socket?.destroy()
    else if (fault.kind === 'body') response.end(fault.body)
    else send(response, fault.status, { error: fault.error }, fault.headers)
    return true
  }
  const list = (): object[] => {
    const listed = models.filter(({ name }) => loaded.has(name))
    for (const [name, times] of going) {
      if (times > 0) going.set(name, times - 1)
      else if (loaded.delete(name)) going.delete(name)
    }
    return listed
      .filter(({ name }) => loaded.has(name))
      .map(({ name, memory, digest }) => ({
        name,
        model: name,
        size: memory,
        digest,
        size_vram: 0,
        expires_at: new Date(keptUntil.get(name) ?? FOR_EVER).toISOString(),
      }))
  }
  /** Starts the time anew after which the model is unloaded (server/sched.go): as it was told, else as it was. */
  const keep = (name: string, told: unknown): void => {
    const ms = told === undefined ? keptFor.get(name) : durationMs(told)
    if (ms === undefined) return
    keptFor.set(name, ms)
    clearTimeout(timers.get(name))
    if (ms < 0) return void keptUntil.delete(name)
    keptUntil.set(name, Date.now() + ms)
    timers.set(name, setTimeout(() => loaded.delete(name), Math.min(ms, 2 ** 31 - 1)).unref())
  }
  const bringIn = (model: OllamaModel, body: Received['body']): { status: number; error: string } | null => {
    going.delete(model.name)
    if (!loaded.has(model.name) && server.heldBytes() + model.memory > server.capacity) {
      return { status: 503, error: 'server busy, please try again.  maximum pending requests exceeded' }
    }
    if (!loaded.has(model.name)) loads.push(model.name)
    loaded.add(model.name)
    keep(model.name, body['keep_alive'])
    return null
  }
  const generate = (model: OllamaModel, body: Received['body'], response: ServerResponse): void => {
    const now = { model: model.name, created_at: '2026-11-22T15:00:00Z', done: true }
    if (body['prompt'] === undefined && (body['keep_alive'] === 0 || body['keep_alive'] === '0s')) {
      if (loaded.has(model.name)) going.set(model.name, server.lingering)
      return send(response, 200, { ...now, response: '', done_reason: 'unload' })
    }
    if (!model.capabilities.includes('completion')) {
      return send(response, 400, { error: `"${model.name}" does not support generate` })
    }
    const refused = bringIn(model, body)
    if (refused) return send(response, refused.status, { error: refused.error })
    if (body['prompt'] === undefined)
      return send(response, 200, { ...now, response: '', done_reason: 'load' })
    send(response, 200, { ...now, response: 'Hi', done_reason: 'length', eval_count: 1 })
  }
  const embed = (model: OllamaModel, body: Received['body'], response: ServerResponse): void => {
    const refused = bringIn(model, body)
    if (refused) return send(response, refused.status, { error: refused.error })
    const texts = [body['input']].flat().map(String)
    send(response, 200, { model: model.name, embeddings: texts.map(embeddingOf) })
  }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? ''
    const content = await text(request)
    const body = (content === '' ? {} : JSON.parse(content)) as Received['body']
    received.push({ path, body, authorization: request.headers.authorization })
    const wanted = find(body['model'])
    const isRun = path === '/api/generate' || path === '/api/embed'
    const isLoad = isRun && wanted !== undefined && !loaded.has(wanted.name)
    if (await meetFault(path, isLoad, response)) return
    if (path === '/api/tags') {
      return send(response, 200, {
        models: models.map(({ name, size, digest }) => ({ name, model: name, size, digest })),
      })
    }
    if (path === '/api/ps') {
      // the list waits for the lock of a model that is being loaded (server/sched.go, loadedModels)
      while (holds.loading > 0 && !response.closed)
        await Promise.race([once(events, 'load ended'), once(response, 'close')])
      return send(response, 200, { models: list() })
    }
    const model = wanted
    if (!model) return send(response, 404, { error: `model '${String(body['model'])}' not found` })
    if (path === '/api/show')
      return send(response, 200, { capabilities: model.capabilities, model_info: modelInfo })
    if (path === '/api/generate') return generate(model, body, response)
    if (path === '/api/embed') return embed(model, body, response)
    send(response, 404, { error: 'not found' })
  }

  const http = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const server: OllamaServer = {
    url: `http://127.0.0.1:${port}`,
    received,
    faults,
    loaded,
    loads,
    capacity: Infinity,
    lingering: 1,
    heldBytes: () =>
      models.filter(({ name }) => loaded.has(name)).reduce((sum, { memory }) => sum + memory, 0),
    async held(count) {
      for (; holds.count < count;) await once(events, 'held')
    },
    release() {
      released = true
      events.emit('release')
    },
    hungUp: once(events, 'hung up'),
    async stop() {
      events.emit('release')
      for (const timer of timers.values()) clearTimeout(timer)
      http.closeAllConnections()
      if (http.listening) await new Promise((resolve) => http.close(resolve))
    },
    [Symbol.asyncDispose]: () => server.stop(),
  }
  return server
}

const FOR_EVER = Date.UTC(2318, 0)

/** Seconds as a number, else text as Go reads it, of one unit here; below 0 for ever. */
function durationMs(told: unknown): number {
  if (typeof told === 'number') return told * 1000
  const [, count, unit] = /^(-?\d+)(ms|s|m|h)$/.exec(String(told)) ?? []
  if (unit === undefined) throw new Error(`expected a duration, got ${String(told)}`)
  return Number(count) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit as 'ms' | 's' | 'm' | 'h']
}

/** Measures of a small llama. */
const modelInfo = {
  'general.architecture': 'llama',
  'llama.block_count': 4,
  'llama.context_length': 2048,
  'llama.embedding_length': 256,
  'llama.attention.head_count': 8,
  'llama.attention.head_count_kv': 4,
}

export const embeddingDimension = 8

/** Not of unit length, and another for texts that differ in their letters. */
function embeddingOf(input: string): number[] {
  return Array.from({ length: embeddingDimension }, (_, d) => {
    let sum = d + 1
    for (let index = d; index < input.length; index += embeddingDimension) sum += input.charCodeAt(index)
    return sum
  })
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  if (response.destroyed) return
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(body))
}
