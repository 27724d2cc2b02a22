import assert from 'node:assert/strict'
import type { Checks } from './checks.ts'
import { type Engine, LIMITS } from './podman.ts'

const HOUR = 3_600

/** What docs/operating.md says of the commands in a container: doctor, backup while it runs, restore where nobody runs. */
export async function checkOperators(engine: Engine, { check }: Checks): Promise<void> {
  const volume = await engine.volume()
  const container = await engine.run({ volume, flags: ['--read-only', '--cap-drop=all', ...LIMITS] })
  await check('doctor finds no fault in a running container, locked up as it is', async () => {
    await container.ready()
    const { code, stdout } = await container.sh('mcp-worker doctor --json')
    assert.equal(code, 0, stdout)
    const { findings } = JSON.parse(stdout) as { findings: { check: string; detail: string }[] }
    const health = findings.find((one) => one.check === 'health')
    assert.match(health?.detail ?? '', /ready and healthy/)
  })
  await check('a backup is made while it runs; a restore is refused meanwhile', async () => {
    const kept = {
      id: 'kept',
      type: 'data_cleanup',
      payload: { target: 'temp_files', older_than: '24h' },
      delay: HOUR,
    }
    assert.equal((await container.call('POST', '/tasks', kept)).status, 202)
    const backup = await container.sh('mcp-worker backup /data/backup.db')
    assert.equal(backup.code, 0, backup.stderr)
    const refused = await container.sh('mcp-worker restore /data/backup.db')
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /in use by a worker: stop it first/)
  })
  await check('restored by a container beside which no worker runs, the task is there', async () => {
    await container.stop(35)
    const idle = await engine.run({ volume, flags: ['--entrypoint=["sleep","600"]'] })
    const restored = await idle.sh('rm -r /data/queue.db* && mcp-worker restore /data/backup.db')
    assert.equal(restored.code, 0, restored.stderr)
    await idle.kill()
    await container.start()
    await container.ready()
    const { body } = await container.call<{ status: string }>('GET', '/tasks/kept')
    assert.equal(body.status, 'scheduled')
    await container.stop(35)
  })
}
