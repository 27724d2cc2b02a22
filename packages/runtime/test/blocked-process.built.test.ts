import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'

const FIXTURE = fileURLToPath(new URL('./fixtures/blocking.fixture.ts', import.meta.url))

it('a blocked process is ended although nobody reads what it prints', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-blocked-'))
  const child = spawn(process.execPath, [FIXTURE, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  })
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
}, 30_000)
