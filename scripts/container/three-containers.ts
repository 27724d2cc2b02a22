import assert from 'node:assert/strict'
import type { Checks } from './checks.ts'
import { TASKS, submitLoad, successesOf, untilAllSucceeded, untilSomeEnded } from './load.ts'
import { type Container, type Engine, LIMITS } from './podman.ts'

type Three = readonly [Container, Container, Container]

/** Three workers on one volume, as in deploy/compose.yaml: they share the work, and what one leaves the others end. */
export async function checkThreeContainers(engine: Engine, { check }: Checks): Promise<void> {
  const volume = await engine.volume()
  const run = () => engine.run({ volume, flags: LIMITS })
  const three: Three = await Promise.all([run(), run(), run()])
  await check('three containers start at once on one empty volume', async () => {
    await Promise.all(three.map((one) => one.ready()))
  })
  await checkSharing(three, check)
  await checkKill(three, check)
  await checkStopUnderLoad(three, check)
}

async function checkSharing(three: Three, check: Checks['check']): Promise<void> {
  await check(
    `${TASKS} tasks submitted to one: each is delivered once and ends once, all three take part`,
    async () => {
      await submitLoad(three[0], 'shared')
      const tasks = await untilAllSucceeded(three[1], 'shared')
      assert.deepEqual(tasks.filter((task) => task.deliveries !== 1).slice(0, 3), [])
      const labels = { task_type: 'vector_index', status: 'success' }
      const shares = await Promise.all(
        three.map((one) => one.metric('mcp_worker_tasks_processed_total', labels)),
      )
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        TASKS,
      )
      assert.ok(
        shares.every((share) => share > 0),
        `shares ${shares.join(', ')}`,
      )
      const counts = await successesOf(three, 'shared')
      assert.equal(counts.size, TASKS)
      assert.deepEqual(
        [...counts].filter(([, count]) => count !== 1),
        [],
      )
      return shares.join(' + ')
    },
  )
}

async function checkKill([first, second, third]: Three, check: Checks['check']): Promise<void> {
  await check('one is killed (SIGKILL) in the middle of it: all tasks end, none twice', async () => {
    await submitLoad(first, 'killed')
    const before = await untilSomeEnded(first, 'killed', 10)
    await second.kill()
    assert.equal(await second.ended(), 137)
    const tasks = await untilAllSucceeded(third, 'killed')
    const counts = await successesOf([first, second, third], 'killed')
    assert.deepEqual(
      [...counts].filter(([, count]) => count > 1),
      [],
    )
    assert.deepEqual(tasks.filter((task) => task.attempts > 0).slice(0, 3), [])
    const again = tasks.filter((task) => task.deliveries > 1).length
    assert.ok(before < TASKS, 'all had ended before the kill')
    return `killed after ${before} had ended, ${again} were delivered again`
  })
  await check('the killed one starts again on the same volume', async () => {
    await second.start()
    await second.ready()
  })
}

async function checkStopUnderLoad(three: Three, check: Checks['check']): Promise<void> {
  const [first, second, third] = three
  await check(
    'one is stopped in the middle of it: it ends with 0, the others end its tasks, no attempt is charged',
    async () => {
      await submitLoad(second, 'stopped')
      const before = await untilSomeEnded(second, 'stopped', 10)
      const ms = await first.stop(35)
      assert.equal(await first.ended(), 0)
      const tasks = await untilAllSucceeded(third, 'stopped')
      assert.deepEqual(tasks.filter((task) => task.attempts + task.crashes > 0).slice(0, 3), [])
      return `stopped after ${before} had ended, in ${(ms / 1_000).toFixed(1)} s`
    },
  )
  await check('the others stop with 0', async () => {
    await Promise.all([second.stop(35), third.stop(35)])
    assert.deepEqual(await Promise.all([second.ended(), third.ended()]), [0, 0])
  })
}
