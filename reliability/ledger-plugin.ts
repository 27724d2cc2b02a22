/** Handlers that write down each of their runs. Parts of the program under test: they run in the process that is killed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { definePlugin, NonRetryableError, type RunContext } from '@mcp-worker/runtime'
import { z } from 'zod'
import { openLedger, type Ledger } from './ledger.ts'
import { LEDGER_TYPES, sumOf, workOf, type Work } from './work.ts'

const payload = z.strictObject({
  text: z.string(),
  sum: z.string(),
  ms: z.int(),
  stubborn: z.boolean(),
  failures: z.int(),
  permanent: z.boolean(),
  steps: z.int(),
  naps: z.int(),
  children: z.int(),
})
const result = z.strictObject({ id: z.string(), delivery: z.int(), text: z.string() })

type Context = RunContext<Work, Ledger, unknown>

export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-ledger',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({ ledger: z.string() }),
  setup: ({ options }) => openLedger(options.ledger),
  handlers: (handler) =>
    LEDGER_TYPES.map((type) =>
      handler(type, {
        payload,
        result,
        timeout: '2m',
        retry: { minDelay: '5ms', maxDelay: '40ms' },
        run: (context: Context) => run(context),
      }),
    ),
})

async function run(context: Context): Promise<z.output<typeof result>> {
  const { task, deps: ledger, checkpoint } = context
  const at = { id: task.id, d: task.delivery, pid: process.pid }
  if (sumOf(context.payload.text) !== context.payload.sum)
    ledger.write({ e: 'wrong', id: task.id, d: task.delivery, what: 'payload' })
  await ledger.keep({ e: 'start', ...at, a: task.attempt, kept: Number(checkpoint.get() ?? 0) })
  try {
    await work(context)
    const value = {
      id: task.id,
      delivery: task.delivery,
      text: `done: ${context.payload.text.slice(0, 300)}`,
    }
    await ledger.keep({ e: 'end', ...at, hash: sumOf(JSON.stringify(value)) })
    return value
  } catch (error) {
    ledger.write({ e: 'end', ...at, why: String(error) })
    throw error
  }
}

async function work(context: Context): Promise<void> {
  const { payload: what, task, deps: ledger, signal } = context
  const keep = async (n: number) => {
    await context.checkpoint.set(n)
    ledger.write({ e: 'kept', id: task.id, d: task.delivery, n })
  }
  const kept = Number(context.checkpoint.get() ?? 0)
  for (let n = 0; n < what.children; n++) {
    const child = workOf(`child ${n} of ${task.id}`)
    const { id } = await context.submit('quick', child, { key: String(n) })
    await ledger.keep({ e: 'ack', id, sum: child.sum, parent: `${task.id}/${n}` })
  }
  for (let n = kept + 1; n <= what.steps; n++) {
    await sleep(8, undefined, { signal })
    await keep(n)
  }
  if (kept < what.naps) {
    await keep(kept + 1)
    context.snooze(15)
  }
  if (what.ms > 0) await sleep(what.ms, undefined, what.stubborn ? {} : { signal })
  if (task.attempt <= what.failures)
    throw what.permanent ? new NonRetryableError('no use') : new Error('not this time')
}
