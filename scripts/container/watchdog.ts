import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Checks } from './checks.ts'
import type { TaskJson } from './load.ts'
import type { Engine } from './podman.ts'

/** A plugin of one's own below /app, and what becomes of a worker whose event loop it blocks: no thread can end process 1 of a container. */
export async function checkWatchdog(engine: Engine, { check }: Checks): Promise<void> {
  const config = new URL(
    '../../apps/worker/test/fixtures/container-plugins/worker.config.ts',
    import.meta.url,
  )
  const plugins = dirname(fileURLToPath(config))
  const container = await engine.run({
    volume: await engine.volume(),
    env: { WORKER_CONFIG: '/app/plugins/worker.config.ts' },
    flags: ['--volume', `${plugins}:/app/plugins:ro`],
  })
  await check('a plugin mounted at /app/plugins is loaded', () => container.ready())
  await check('a handler that blocks the event loop: the watchdog ends the container with 137', async () => {
    // later, or the loop would be blocked before the answer is out
    const { status } = await container.call('POST', '/tasks', {
      id: 'blocker',
      type: 'block',
      payload: {},
      delay: 1,
    })
    assert.equal(status, 202)
    assert.equal(await container.ended(), 137)
    assert.ok((await container.logs()).lines.some(({ event }) => event === 'event_loop_blocked'))
  })
  await check('after the restart the task stands as an attempt that timed out', async () => {
    await container.start()
    await container.ready()
    const { body } = await container.call<TaskJson>('GET', '/tasks/blocker')
    assert.deepEqual(
      [body.status, body.attempts, body.crashes, body.error?.code],
      ['failed', 1, 0, 'timed_out'],
    )
    await container.stop(35)
  })
}
