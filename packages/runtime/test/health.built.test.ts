import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker, memoryQueue, type ServiceCheck } from '@mcp-worker/runtime'
import { expect, it, onTestFinished } from 'vitest'

/** A port on which somebody listens, until `close`. */
async function listening(host: string) {
  const server = createServer((socket) => socket.destroy()).listen(0, host)
  await once(server, 'listening')
  const close = () => new Promise((closed) => server.close(closed))
  return { port: (server.address() as AddressInfo).port, close }
}

async function checked(...serviceChecks: readonly ServiceCheck[]) {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-health-'))
  const logger = createLogger({ destination: { write: () => {} } })
  const worker = createWorker({ plugins: [], queue: memoryQueue(), dataDir, logger, serviceChecks })
  onTestFinished(async () => {
    await worker.stop({ timeoutMs: 1000 })
    rmSync(dataDir, { recursive: true, force: true })
  })
  await worker.start()
  const { checks } = await worker.checkHealth()
  return Object.fromEntries(checks.map(({ name, ok, detail }) => [name, { ok, detail }]))
}

it('a service that cannot be reached is told with its cause', async () => {
  const { port, close } = await listening('127.0.0.1')
  await close()
  const checks = await checked({ name: 'web', url: `http://127.0.0.1:${port}/` })
  expect(checks['service:web']).toMatchObject({ ok: false })
  expect(checks['service:web']?.detail['error']).toContain(`ECONNREFUSED 127.0.0.1:${port}`)
})

it('asks a service at an IPv6 address', async () => {
  const { port, close } = await listening('::1')
  onTestFinished(() => void close())
  const checks = await checked({ name: 'six', url: `tcp://[::1]:${port}` })
  expect(checks['service:six']).toEqual({ ok: true, detail: { connected: true } })
})
