import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

const FIXTURE = fileURLToPath(new URL('./fixtures/blocking.fixture.ts', import.meta.url))

function startBlocking(queue: 'sqlite' | 'memory') {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-blocked-'))
  const child = spawn(process.execPath, [FIXTURE, dataDir, queue], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  })
  return { dataDir, ended: once(child, 'exit') }
}

it('a blocked process is ended although nobody reads what it prints', async () => {
  const { ended } = startBlocking('memory')
  expect(await ended).toEqual([null, 'SIGKILL'])
})

it('a blocked process is ended although its task cannot be settled', async () => {
  const { dataDir, ended } = startBlocking('sqlite')
  await expect.poll(() => existsSync(join(dataDir, 'spinning'))).toBe(true)
  // a writer that never ends: what the keeper wants to write waits behind it
  const writer = new DatabaseSync(join(dataDir, 'queue.db'), { timeout: 5000 })
  writer.exec('BEGIN IMMEDIATE')
  onTestFinished(() => writer.close())
  expect(await ended).toEqual([null, 'SIGKILL'])
})
