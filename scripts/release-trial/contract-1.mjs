// What `contract: 1` promises, used: each member of the definition and of what code is given (docs/contract.md).
// Plain JavaScript as it might be on npm, written against runtime 1.0.0. NEVER EDITED once that is published: a runtime on which it does not run
// breaks the promise. What a later minor adds is tried elsewhere.
import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { definePlugin, defineService, NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { z } from 'zod'

const count = z.int().min(0)

function expect(holds, what) {
  if (!holds) throw new NonRetryableError(`contract 1: ${what}`, { code: 'CONTRACT_BROKEN' })
}

export default definePlugin({
  contract: 1,
  name: '@acme/handler-contract-one',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({ folder: z.string(), greeting: z.string().default('hello') }),
  host: 'inline',
  threadMemoryMb: 64,
  setupTimeout: '30s',
  uses: { voice: defineService('acme.shout'), absent: defineService('acme.absent').optional() },
  async setup({ options, services, log, metrics, dataDir, signal }) {
    if (signal.aborted || services.absent !== undefined) throw new Error('contract 1: setup')
    await mkdir(dataDir, { recursive: true })
    const done = metrics.counter({ name: 'done_total', help: 'Done', labels: ['kind'] })
    const level = metrics.gauge({ name: 'level', help: 'Level' })
    const sizes = metrics.histogram({ name: 'sizes', help: 'Sizes', buckets: [1, 10] })
    log.debug('set_up', { greeting: options.greeting })
    const note = (line) => appendFile(join(options.folder, 'notes'), `${line}\n`)
    return { greeting: options.greeting, done, level, sizes, note, dataDir }
  },
  health({ deps, signal }) {
    if (signal.aborted || deps.greeting !== 'hello') throw new Error('contract 1: health')
  },
  teardown: ({ deps }) => deps.note('teardown'),
  handlers: (handler) => [
    handler('contract_one', {
      description: 'Uses what it is given.',
      payload: { 1: z.strictObject({ text: z.string() }), 2: z.strictObject({ texts: z.array(z.string()) }) },
      migrate: { 1: (old) => ({ texts: [old.text] }) },
      result: z.strictObject({ said: z.array(z.string()), child: z.string(), twice: z.boolean() }),
      timeout: '1m',
      retry: { maxAttempts: 2, minDelay: '10ms', maxDelay: 20 },
      concurrency: 2,
      async run({ payload, deps, services, task, signal, progress, log, metrics, checkpoint, submit }) {
        expect(task.type === 'contract_one' && task.attempt === 1 && task.delivery === 1, 'task')
        expect(task.version === 1 && task.deadline > Date.now() && task.id.length > 0, 'task')
        expect(signal instanceof AbortSignal && !signal.aborted, 'signal')
        expect(checkpoint.get() === null, 'an empty checkpoint')
        await checkpoint.set({ at: 1 })
        expect(checkpoint.get()?.at === 1, 'checkpoint')
        progress(1)
        progress(1, 2, 'half')
        for (const level of ['debug', 'info', 'warn', 'error']) log[level]('contract_one', { level })
        deps.done.inc({ kind: 'one' })
        deps.done.inc({ kind: 'one' }, 2)
        deps.level.set(1)
        deps.sizes.observe(3)
        expect(typeof metrics.counter === 'function', 'metrics')
        const said = await Promise.all(payload.texts.map((text) => services.voice.shout(text)))
        const options = { key: 'a', priority: 1, delay: '1ms', maxAttempts: 3, timeout: '10s' }
        const first = await submit('contract_child', {}, options)
        const second = await submit('contract_child', {}, options)
        return { said, child: first.id, twice: first.id === second.id && second.duplicate }
      },
    }),
    handler('contract_child', {
      payload: z.strictObject({}),
      result: z.strictObject({ deliveries: count, attempts: count }),
      run: ({ task, snooze }) => {
        if (task.delivery === 1) return snooze('10ms')
        if (task.delivery === 2) throw snooze(new Date(Date.now() + 10))
        return { deliveries: task.delivery, attempts: task.attempt }
      },
    }),
    handler('contract_never', {
      payload: z.strictObject({}),
      result: z.null(),
      run: () => {
        throw new NonRetryableError('never', { code: 'NEVER', cause: new Error('why') })
      },
    }),
    handler('contract_later', {
      payload: z.strictObject({}),
      result: z.strictObject({ attempt: count }),
      run: ({ task }) => {
        if (task.attempt === 1) throw new RetryableError('later', { code: 'LATER', delayMs: 1 })
        return { attempt: task.attempt }
      },
    }),
    handler('contract_abort', {
      payload: z.strictObject({}),
      result: z.null(),
      async run({ deps, signal, progress }) {
        progress(1)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        await deps.note(`aborted ${signal.reason.reason}`)
        signal.throwIfAborted()
        return null
      },
    }),
  ],
  queries: (query) => [
    query('contract_question', {
      description: 'Answers at once.',
      input: z.strictObject({ text: z.string() }),
      output: z.strictObject({ answer: z.string() }),
      timeout: '5s',
      async run({ input, deps, services, signal, log }) {
        expect(!signal.aborted, 'signal of a query')
        log.debug('asked')
        return { answer: `${deps.greeting} ${await services.voice.shout(input.text)}` }
      },
    }),
  ],
})
