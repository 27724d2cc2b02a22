import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { MALFORMED } from './malformed-http.js'
import { startService, type RunningService } from './running-service.js'

const env = { QUEUE_URL: 'memory:' }

async function open(service: RunningService): Promise<Socket> {
  const socket = connect(service.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** Everything that comes until the other side closes. */
async function rest(socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  await once(socket, 'close')
  return text
}

async function send(service: RunningService, bytes: string): Promise<string> {
  const socket = await open(service)
  const answer = rest(socket)
  socket.write(bytes, 'latin1')
  return answer
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])

/** Sends `head`, then `drop` five times a second until the other side closes. */
async function drip(
  service: RunningService,
  head: string,
  drop: string,
): Promise<{ readonly answer: Promise<string> }> {
  const socket = await open(service)
  const answer = rest(socket)
  socket.write(head)
  const timer = setInterval(() => socket.write(drop), 200)
  socket.once('close', () => clearInterval(timer))
  return { answer }
}

describe('malformed HTTP', () => {
  it('gets 4xx as problem+json and a closed connection', async () => {
    const service = await startService({ env })
    const seen: Record<string, number> = {}
    for (const [name, [bytes]] of Object.entries(MALFORMED)) {
      const answer = await send(service, bytes)
      seen[name] = statusOf(answer)
    }
    expect(seen).toEqual(
      Object.fromEntries(Object.entries(MALFORMED).map(([name, [, status]]) => [name, status])),
    )
    const answer = await send(service, 'hello\r\n\r\n')
    expect(answer).toContain('content-type: application/problem+json')
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ status: 400, code: 'bad_request' })
    expect((await service.call('GET', '/tasks')).status).toBe(200)
  })

  it('in the path is refused or not found, never 5xx', async () => {
    const service = await startService({ env })
    for (const path of [
      '//',
      '/%',
      '/tasks/%c0%ae',
      '*',
      'http://evil.example/',
      '/tasks/\xff',
      '/tasks?%',
      `/${'a/'.repeat(4_000)}`,
    ]) {
      const answer = await send(
        service,
        `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
      )
      expect(statusOf(answer)).toBeGreaterThanOrEqual(200)
      expect(statusOf(answer)).toBeLessThan(500)
    }
  })
})

describe('a slow client', () => {
  it(
    'gets 408 and is cut where headers or body never end, while one that waits longer than that is answered',
    { timeout: 120_000 },
    async () => {
      const service = await startService({ env })
      await service.call('POST', '/tasks', { type: 'greet', payload: {}, id: 't', delay: '34s' })
      const waiting = service.call('GET', '/tasks/t?wait=60')
      const silent = rest(await open(service))
      const endlessHeaders = await drip(service, 'GET /tasks HTTP/1.1\r\nhost: localhost\r\n', 'x: y\r\n')
      const endlessBody = await drip(
        service,
        'POST /tasks HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n',
        ' ',
      )
      expect((await service.call('GET', '/tasks')).status).toBe(200)
      const answers = await Promise.all([silent, endlessHeaders.answer, endlessBody.answer])
      expect(answers.map(statusOf)).toEqual([408, 408, 408])
      const { status, body } = await waiting
      expect([status, body.status]).toEqual([200, 'succeeded'])
    },
  )

  it('that goes away while it waits ends its wait and leaves no trace', async () => {
    const service = await startService({ env: { ...env, LOG_LEVEL: 'DEBUG' } })
    await service.call('POST', '/tasks', { type: 'greet', payload: {}, id: 't', delay: '1h' })
    const socket = await open(service)
    socket.write('GET /tasks/t?wait=60 HTTP/1.1\r\nhost: localhost\r\n\r\n')
    // an answer to another request says that the first one, sent before it to the same loop, has been taken up
    await service.call('GET', '/types')
    socket.destroy()
    expect(await service.line('api_client_gone')).toMatchObject({ route: '/tasks/{id}' })
    expect(service.lines.map((one) => one.level)).not.toContain('error')
  })
})
