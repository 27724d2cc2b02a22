// Runs contract-1.mjs on the runtime that is installed beside it, inline and in a thread.
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import service from './contract-1-service.mjs'
import contractOne from './contract-1.mjs'

for (const host of ['inline', 'thread']) await tryIn(host)
console.log('contract 1 ok on', process.version)

async function tryIn(host) {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'contract-1-'))
  const plugin = contractOne({ folder })
  const worker = createWorker({
    plugins: [plugin, service()],
    hosts: { [plugin.name]: host },
    queue: memoryQueue(),
    dataDir: join(folder, 'data'),
    logger: createLogger({ level: 'fatal' }),
  })
  try {
    await worker.start()
    await tryTasks(worker, host)
    await worker.stop()
    const notes = readFileSync(join(folder, 'notes'), 'utf8').split('\n')
    expectEqual(
      `${host}: notes`,
      [notes.includes('aborted cancel'), notes.includes('teardown')],
      [true, true],
    )
  } finally {
    await worker.stop()
    rmSync(folder, { recursive: true })
  }
}

async function tryTasks(worker, host) {
  const one = await worker.submit('contract_one', { text: 'a' }, { version: 1 })
  const { said, child, twice } = await one.result()
  expectEqual(`${host}: contract_one`, [said, twice], [['A!'], true])
  const { progress, status } = await worker.get(one.id)
  expectEqual(
    `${host}: progress`,
    [progress.done, progress.total, progress.note, status],
    [1, 2, 'half', 'succeeded'],
  )
  const snoozed = await worker.wait(child, { timeoutMs: 30_000 })
  expectEqual(`${host}: snoozes`, [snoozed.status, snoozed.snoozes, snoozed.attempts], ['succeeded', 2, 0])
  const never = await worker.submit('contract_never', {})
  const refused = await worker.wait(never.id, { timeoutMs: 30_000 })
  expectEqual(`${host}: contract_never`, [refused.status, refused.error.code], ['failed', 'NEVER'])
  const later = await worker.submit('contract_later', {})
  expectEqual(`${host}: contract_later`, await later.result(), { attempt: 2 })
  const aborted = await worker.submit('contract_abort', {})
  while ((await worker.get(aborted.id)).progress === null)
    await new Promise((resolve) => setTimeout(resolve, 20))
  await worker.cancel(aborted.id)
  const ended = await worker.wait(aborted.id, { timeoutMs: 30_000 })
  expectEqual(`${host}: contract_abort`, ended.status, 'cancelled')
  const { answer } = await worker.query('contract_question', { text: 'b' })
  expectEqual(`${host}: contract_question`, answer, 'hello B!')
  const { ok } = await worker.checkHealth()
  expectEqual(`${host}: health`, ok, true)
  const metrics = await worker.registry.metrics()
  for (const line of [
    'contract_one_done_total{kind="one"} 3',
    'contract_one_level 1',
    'contract_one_sizes_count 1',
  ])
    expectEqual(`${host}: metrics hold ${line}`, metrics.includes(`mcp_worker_${line}`), true)
}

function expectEqual(what, got, expected) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`)
}
