/** Hostile input to the deployed service: bodies, requests that are none, slow clients. It answers each, with no 5xx but 503 and 507, and goes on. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { hostileBody, hostilePath, mutate, post } from '../../apps/worker/test/hostile-bodies.ts'
import { MALFORMED } from '../../apps/worker/test/malformed-http.ts'
import type { Lab } from '../lab.ts'
import { startService, type Service } from '../service-process.ts'
import { tryCase, type Suite } from '../suite.ts'
import { waitUntil } from './lease.ts'

const PLUGIN = pathToFileURL(join(import.meta.dirname, '../../apps/worker/test/fixtures/plugin.ts')).href
const LANES = 8
const SLOW_CLIENTS = 50
const SHOWN = 160
const MEBIBYTE = 1024 * 1024
/** Of all numbers: how many are raw requests. */
const RAW_SHARE = 0.2

export const input: Suite = async ({ seed, size, lab, note }) => {
  const bodies = size === 'ci' ? 1000 : 50_000
  const statuses: Record<string, number> = {}
  const tried = await tryCase(`${bodies} bodies and ${bodies * RAW_SHARE} raw requests`, () =>
    attack(lab, seed, bodies, statuses),
  )
  note(`input: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
  return { counts: { bodies, raw: bodies * RAW_SHARE, slow_clients: SLOW_CLIENTS, statuses }, cases: [tried] }
}

async function attack(
  lab: Lab,
  seed: number,
  bodies: number,
  statuses: Record<string, number>,
): Promise<string[]> {
  const service = await startService({
    folder: lab.folder('input'),
    config: { plugins: [{ package: PLUGIN }] },
  })
  const slow = Array.from({ length: SLOW_CLIENTS }, (_, n) => dawdle(service.port, n))
  const count = (status: number | null) => {
    const kind = status === null ? 'closed' : String(status)
    statuses[kind] = (statuses[kind] ?? 0) + 1
  }
  try {
    const wrong = await named(service.port)
    const samples = fc.sample(fc.tuple(hostileBody, hostilePath), { seed, numRuns: bodies })
    await inLanes(samples, async ([bytes, path]) => {
      const status = await post(service.port, path, bytes).catch(() => null)
      count(status)
      if (!isFine(status)) wrong.push(`POST ${path} was answered ${status}: base64 ${show(bytes)}`)
    })
    const raw = fc.sample(hostileRequest, { seed, numRuns: bodies * RAW_SHARE })
    await inLanes(raw, async (bytes) => {
      const status = await send(service.port, bytes)
      count(status)
      if (status !== null && !isFine(status))
        wrong.push(`a request was answered ${status}: base64 ${show(bytes)}`)
    })
    if (!(statuses['202']! > 0 && statuses['422']! > 0))
      wrong.push('nothing came past the parser: the harness tested nothing')
    return [...wrong, ...(await wellAfter(service))]
  } finally {
    for (const client of slow) client.destroy()
    service.signal('SIGKILL')
    await service.exited
  }
}

function isFine(status: number | null): boolean {
  return status !== null && (status < 500 || status === 503 || status === 507)
}

function show(bytes: Buffer): string {
  const text = bytes.toString('base64')
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN)}… (${bytes.length} bytes)`
}

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.toReversed()
  const lane = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

const echo = (payload: string) => Buffer.from(`{"type":"echo","payload":${payload}`)

/** What has an exact answer. */
async function named(port: number): Promise<string[]> {
  const wrong: string[] = []
  const expect = (what: string, got: number | null, status: number) => {
    if (got !== status) wrong.push(`${what}: expected ${status}, got ${got}`)
  }
  for (const open of ['[', '{"a":'])
    expect(
      'nested 1,000,000 deep',
      await post(port, '/tasks', echo(open.repeat(1_000_000 / open.length))),
      422,
    )
  for (const key of ['__proto__', String.raw`\u005f_proto__`])
    expect(key, await post(port, '/tasks', echo(`{"text":"x","any":{"${key}":{"polluted":true}}}}`)), 422)
  expect('64 MiB', await post(port, '/tasks', Buffer.alloc(64 * MEBIBYTE, 0x20)), 413)
  for (const [what, [bytes, status]] of Object.entries(MALFORMED))
    expect(what, await send(port, Buffer.from(bytes, 'latin1')), status)
  return wrong
}

const GOOD_REQUEST = Buffer.from(
  'POST /tasks?x=1 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 29\r\nidempotency-key: k\r\n\r\n{"type":"greet","payload":{}}',
)

/** A good request with bytes changed, cut out, doubled or put in. */
const hostileRequest = fc
  .array(
    fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'double', 'insert'), fc.integer({ min: 0, max: 255 })),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((changes) => changes.reduce(mutate, GOOD_REQUEST))

/** The status, or null: the connection was closed without one. */
async function send(port: number, bytes: Buffer): Promise<number | null> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  const closed = once(socket, 'close')
  socket.end(bytes)
  await closed
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]
  return status === undefined ? null : Number(status)
}

/** Sends a header or a body a byte at a time, and never comes to its end. */
function dawdle(port: number, n: number): Socket {
  const socket = connect(port, '127.0.0.1')
  const head = 'POST /tasks HTTP/1.1\r\nhost: localhost\r\n'
  socket.on('error', () => undefined)
  socket.write(
    n % 2 === 0 ? head : `${head}content-type: application/json\r\ncontent-length: 1000000\r\n\r\n`,
  )
  const timer = setInterval(() => socket.write(n % 2 === 0 ? 'x' : ' '), 100)
  socket.once('close', () => clearInterval(timer))
  return socket
}

/** It lives, has no defect to report, runs what it accepted, and stops in order. */
async function wellAfter(service: Service): Promise<string[]> {
  const wrong = service
    .log()
    .flatMap((line) => (line.event === 'api_error' ? [`api_error: ${JSON.stringify(line)}`] : []))
  const task = { type: 'greet', payload: {}, id: 'after', priority: 100 }
  const { status } = await service.call('POST', '/tasks', task)
  const { body } = await service.call('GET', '/tasks/after?wait=30')
  if (status !== 202 || body['status'] !== 'succeeded')
    wrong.push(`a good task after all that: ${status}, ${JSON.stringify(body)}`)
  await waitUntil(async () => (await unfinished(service)) === 0, 60_000)
  const { code, signal } = await service.stop()
  if (code !== 0) wrong.push(`it ended with ${code ?? signal}: ${service.errors().slice(-500)}`)
  return wrong
}

async function unfinished(service: Service): Promise<number> {
  let count = 0
  for (const status of ['queued', 'running', 'retrying']) {
    const { body } = await service.call('GET', `/tasks?status=${status}&limit=100`)
    count += (body['tasks'] as readonly unknown[]).length
  }
  return count
}
