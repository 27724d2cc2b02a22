import { request } from 'node:http'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hostileBody, hostilePath, post as postTo } from './hostile-bodies.js'
import { startService, type RunningService } from './running-service.js'

const memory = { QUEUE_URL: 'memory:' }
const BODIES = 1_000

const post = (service: RunningService, path: string, bytes: Buffer) => postTo(service.port, path, bytes)

describe('hostile input', () => {
  it(
    `of ${BODIES} bodies, mutated and made up, none gets a 5xx and the service goes on`,
    { timeout: 120_000 },
    async () => {
      const service = await startService({ env: memory })
      const seen = new Map<number, number>()
      await fc.assert(
        fc.asyncProperty(hostileBody, hostilePath, async (bytes, where) => {
          const status = await post(service, where, bytes)
          seen.set(status, (seen.get(status) ?? 0) + 1)
          return status < 500
        }),
        { numRuns: BODIES },
      )
      // the fuzz reaches past the parser
      expect([...seen.keys()]).toEqual(expect.arrayContaining([202, 400, 422]))
      expect((await service.call('POST', '/tasks', { type: 'greet', payload: {}, id: 'after' })).status).toBe(
        202,
      )
      expect((await service.call('GET', '/tasks/after?wait=20')).body.status).toBe('succeeded')
      expect(service.lines.filter((one) => one.event === 'api_error')).toEqual([])
    },
  )

  it('nested 1,000,000 deep is refused before anything recursive touches it', async () => {
    const service = await startService({ env: memory })
    for (const open of ['[', '{"a":', '[[{"b":[']) {
      const bytes = Buffer.from(`{"type":"echo","payload":${open.repeat(1_000_000 / open.length)}`)
      expect(await post(service, '/tasks', bytes)).toBe(422)
      expect(await post(service, '/queries/sum', bytes)).toBe(422)
    }
  })

  it('with __proto__ changes no prototype, however it is written', async () => {
    const service = await startService({ env: memory })
    for (const key of ['__proto__', '\\u005f_proto__', '\\u005F\\u005fpr\\u006fto__']) {
      const bytes = Buffer.from(`{"type":"echo","payload":{"text":"x","any":{"${key}" :{"polluted":true}}}}`)
      expect(await post(service, '/tasks', bytes)).toBe(422)
    }
    const harmless = {
      type: 'echo',
      payload: { text: '"__proto__":', any: { constructor: { prototype: 1 } } },
      id: 'p',
    }
    expect((await service.call('POST', '/tasks', harmless)).status).toBe(202)
    expect((await service.call('GET', '/tasks/p?wait=20')).body.result).toEqual(harmless.payload)
  })

  it('of a huge body ends at 4 MiB, announced or not', async () => {
    const service = await startService({ env: memory })
    expect(await post(service, '/tasks', Buffer.alloc(64 * 1024 * 1024, 0x20))).toBe(413)
    expect(await chunked(service, 64)).toBe(413)
    expect((await service.call('GET', '/tasks')).status).toBe(200)
  })

  it('in task ids, types and notes comes back as it was, and is no header and no log line', async () => {
    const service = await startService({ env: memory })
    const text = 'a\r\nx-injected: 1\r\n\r\n\u001b[2J\u202e{"event":"forged"}'
    await service.call('POST', '/tasks', { type: 'echo', payload: { text }, id: 't' })
    await service.call('POST', '/tasks', { type: 'broken', payload: { message: text }, id: 'b' })
    expect((await service.call('GET', '/tasks/t?wait=20')).body.result).toEqual({ text })
    expect((await service.call('GET', '/tasks/b?wait=20')).body.status).toBe('failed')
    expect(await service.line('task_processed')).toBeDefined()
    expect(service.lines.map((one) => one.event)).not.toContain('forged')
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(service.stdout().replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f]/)
    expect(service.stdout()).not.toContain('"text"')
  })
})

/** A chunked body of this many MiB; the status that comes, perhaps before all was sent. */
function chunked(service: RunningService, megabytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
    const options = { host: '127.0.0.1', port: service.port, path: '/tasks', method: 'POST', headers }
    let answered = false
    const sent = request(options, (response) => {
      answered = true
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', (error) => {
      if (!answered) reject(error)
    })
    const chunk = Buffer.alloc(1024 * 1024, 0x20)
    const send = (left: number) => {
      if (left === 0 || answered) sent.end()
      else sent.write(chunk, () => send(left - 1))
    }
    send(megabytes)
  })
}
