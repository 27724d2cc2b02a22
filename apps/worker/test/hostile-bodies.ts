/** Bodies that no good client sends, for the tests here and for the reliability suite `input`. */
import { request } from 'node:http'
import * as fc from 'fast-check'

/** Status of a POST with these very bytes. */
export function post(port: number, path: string, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': bytes.length }
    const options = { host: '127.0.0.1', port, path, method: 'POST', headers }
    const sent = request(options, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    sent.once('error', reject)
    sent.end(bytes)
  })
}

const GOOD: readonly unknown[] = [
  { type: 'echo', payload: { text: 'hello', any: [1, { a: null }] }, priority: 3, delay: '1h', id: 'a-1' },
  { tasks: [{ type: 'greet', payload: {}, run_at: '2099-01-01T00:00:00Z' }] },
  { numbers: [1, 2, 3] },
]

/** A good body with bytes changed, removed, doubled or inserted. */
const mutated = fc
  .tuple(
    fc.constantFrom(...GOOD),
    fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'double', 'insert'), fc.integer({ min: 0, max: 255 })),
      {
        minLength: 1,
        maxLength: 8,
      },
    ),
  )
  .map(([good, changes]) => changes.reduce(mutate, Buffer.from(JSON.stringify(good))))

export function mutate(bytes: Buffer, [at, how, value]: readonly [number, string, number]): Buffer {
  const i = bytes.length === 0 ? 0 : at % bytes.length
  const [head, tail] = [bytes.subarray(0, i), bytes.subarray(i)]
  if (how === 'set') return Buffer.concat([head, Buffer.of(value), tail.subarray(1)])
  if (how === 'cut') return Buffer.concat([head, tail.subarray(1 + (value % 16))])
  if (how === 'double') return Buffer.concat([head, tail.subarray(0, value), tail])
  return Buffer.concat([head, Buffer.of(value), tail])
}

/** A task whose members are anything at all. */
const strange = fc
  .record(
    {
      type: fc.oneof(
        fc.constantFrom('echo', 'greet', 'health_check', '__proto__', 'constructor'),
        fc.anything(),
      ),
      payload: fc.oneof(
        fc.jsonValue(),
        fc.record({ text: fc.string({ unit: 'binary' }), any: fc.jsonValue() }),
      ),
      id: fc.oneof(fc.string(), fc.anything()),
      priority: fc.oneof(fc.integer(), fc.double(), fc.jsonValue()),
      run_at: fc.oneof(
        fc.constantFrom('9999-12-31T23:59:59Z', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z'),
        fc.string(),
      ),
      delay: fc.oneof(fc.double(), fc.constantFrom('99999999999d', '0.1ms', '1e5s'), fc.string()),
      timeout: fc.oneof(fc.double(), fc.string()),
      max_attempts: fc.oneof(fc.integer(), fc.double()),
      version: fc.oneof(fc.integer(), fc.double()),
      expires_at: fc.string(),
    },
    { requiredKeys: [] },
  )
  .map((task) => Buffer.from(safeJson(task)))

/** Good tasks with any text and any JSON in them. */
const plausible = fc
  .record({
    type: fc.constant('echo'),
    payload: fc.record({ text: fc.string({ unit: 'binary' }), any: fc.jsonValue() }),
    priority: fc.integer({ min: -100, max: 100 }),
  })
  .map((task) => Buffer.from(JSON.stringify(task)))

function safeJson(value: unknown): string {
  try {
    return (
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ??
      'null'
    )
  } catch {
    return '{}'
  }
}

const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes))
const anyJson = fc.json({ maxDepth: 8 }).map((text) => Buffer.from(text))
/** Where a body goes. */
export const hostilePath = fc.constantFrom(
  '/tasks',
  '/tasks',
  '/tasks/batch',
  '/queries/sum',
  '/tasks/x/cancel',
  '/types/greet/resume',
)

/** Task types are those of fixtures/plugin.ts. */
export const hostileBody = fc.oneof(mutated, strange, plausible, anyJson, anyBytes)
