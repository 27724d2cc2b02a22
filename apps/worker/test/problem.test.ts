import { readFileSync } from 'node:fs'
import { ERROR_CODES, WorkerError } from '@mcp-worker/runtime'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { parseJson } from '../dist/api/json-body.js'
import { check } from '../dist/faults.js'
import { ApiError, PROBLEMS, problemOf } from '../dist/api/problem.js'

describe('problems', () => {
  it('are what docs/errors.md says: every code with its status and remedy', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8').replaceAll(
      / +/g,
      ' ',
    )
    const rows = [...page.matchAll(/^\| `(\w+)` \| (\d{3}|–) \| (.+?) \| (.+?) \|$/gm)]
    const documented = rows.map(([, code, status, , remedy]) => [code, status, remedy])
    const actual = Object.entries(PROBLEMS).map(([code, { status, remedy }]) => [
      code,
      String(status ?? '–'),
      remedy,
    ])
    expect(documented).toEqual(expect.arrayContaining(actual))
    expect(actual).toEqual(expect.arrayContaining(documented))
    for (const [, code, , meaning] of rows) expect(`${code}: ${meaning}`).toMatch(/^\w+: .{10,}\.$/)
  })

  it('look like the example of docs/errors.md', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
    const example: unknown = JSON.parse(/```json\n([\s\S]*?)```/.exec(page)?.[1] ?? '')
    const schema = z.object({ payload: z.object({ batch_size: z.int().max(1000) }) })
    const read = check(schema, { payload: { batch_size: 5000 } })
    const faults = 'faults' in read ? read.faults : []
    const message = 'the payload does not fit vector_index version 1'
    expect(problemOf(new WorkerError('invalid_payload', message, { faults })).body).toEqual(example)
  })

  it('know every code of the runtime', () => {
    for (const code of ERROR_CODES) expect(PROBLEMS).toHaveProperty(code)
  })

  it('never answer 5xx but 503 and 507, save for a defect', () => {
    const others = Object.entries(PROBLEMS).filter(
      ([, { status }]) => status !== null && status >= 500 && status !== 503 && status !== 507,
    )
    expect(others.map(([code]) => code)).toEqual(['internal'])
  })

  it('carry faults, facts and the time to come again', () => {
    const error = new WorkerError('queue_full', '5 tasks wait already', {
      faults: [{ path: 'a[0].b', message: 'expected c' }],
      details: { waiting: 5 },
      retryAfterMs: 2_100,
    })
    expect(problemOf(error)).toEqual({
      status: 429,
      headers: { 'retry-after': '3' },
      body: {
        type: 'urn:mcp-worker:error:queue_full',
        title: 'Too Many Requests',
        status: 429,
        detail: '5 tasks wait already',
        code: 'queue_full',
        remedy: PROBLEMS.queue_full.remedy,
        faults: [{ path: 'a[0].b', message: 'expected c' }],
        waiting: 5,
      },
    })
  })

  it('let no fact take the place of a member', () => {
    const { body } = problemOf(new WorkerError('not_found', 'no', { details: { status: 200, code: 'x' } }))
    expect(body).toMatchObject({ status: 404, code: 'not_found' })
  })

  it('say nothing about the cause of a defect', () => {
    const { status, body } = problemOf(new Error('password is hunter2'))
    expect(status).toBe(500)
    expect(JSON.stringify(body)).not.toContain('hunter2')
  })

  it('of a start or a delivery that reach a request are defects', () => {
    expect(problemOf(new WorkerError('handshake_failed', 'x')).body.code).toBe('internal')
  })

  it('are made from an ApiError with its own headers', () => {
    const { status, headers } = problemOf(
      new ApiError('method_not_allowed', 'no', { headers: { allow: 'GET' } }),
    )
    expect([status, headers]).toEqual([405, { allow: 'GET' }])
  })
})

const bytes = (text: string) => Buffer.from(text)

describe('a JSON body', () => {
  it('is parsed as it is', () => {
    expect(parseJson(bytes('{"a":[1,"\\u00e4"]}'))).toEqual({ a: [1, 'ä'] })
  })

  it.each([
    ['', 'bad_json'],
    ['{', 'bad_json'],
    ['{"a":1,}', 'bad_json'],
    ['\ufeff{}x', 'bad_json'],
    ['[1] [2]', 'bad_json'],
    ['NaN', 'bad_json'],
    ['{"__proto__":{}}', 'forbidden_key'],
    ['{"a":{"\\u005f_proto__" : 1}}', 'forbidden_key'],
    ['['.repeat(68) + ']'.repeat(68), 'payload_too_deep'],
    ['{"a":'.repeat(100_000), 'payload_too_deep'],
  ])('%.20s is refused as %s', (text, code) => {
    expect(() => parseJson(bytes(text))).toThrow(expect.objectContaining({ code }))
  })

  it.each(['9007199254740993', '-12345678901234567890', `1${'0'.repeat(400)}`, '1e309', '-1.5E+0400'])(
    'with the number %.30s is refused: another would be stored, or null',
    (number) => {
      expect(() => parseJson(bytes(`{"a":["1234567890123456",{"id":${number}}]}`))).toThrow(
        expect.objectContaining({ code: 'bad_json', message: expect.stringContaining('"id" is') }),
      )
    },
  )

  it.each([
    '9007199254740992',
    '-9007199254740991',
    '0.12345678901234567890',
    '1e300',
    '"12345678901234567890"',
  ])('with %s is parsed', (number) => {
    expect(parseJson(bytes(`{"id":${number}}`))).toEqual({ id: JSON.parse(number) })
  })

  it('that is not UTF-8 is refused, not mended', () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0xfe, 0x22]))).toThrow(
      expect.objectContaining({ code: 'bad_json' }),
    )
  })
})
