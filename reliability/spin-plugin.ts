/** Handlers that misbehave in threads of their own; each as a team's handler might, by mistake. */
import { definePlugin, type Duration, type RunContext } from '@mcp-worker/runtime'
import { z } from 'zod'
import { openLedger, type Ledger } from './ledger.ts'

type Context = RunContext<{ readonly mebibytes: number }, Ledger, unknown>

/** Enough for any work here; 64 MiB are soon full. */
const THREAD_MEMORY_MB = 64

/** Of the endless ones; the others end by themselves, however slow the machine is. */
const TIMEOUTS: Readonly<Record<string, Duration>> = { spin_loop: '2s', spin_regex: '2s' }

const DEEDS: Readonly<Record<string, (context: Context) => unknown>> = {
  spin_loop: () => {
    for (;;);
  },
  spin_regex: () => /^(a+)+$/.test(`${'a'.repeat(60)}!`),
  spin_heap: () => {
    const kept: unknown[] = []
    for (;;) kept.push(Array.from({ length: 10_000 }, (_, n) => n + kept.length))
  },
  // outside the heap, so that the thread's limit does not see it
  spin_buffers: async ({ payload }) => {
    const kept = Array.from({ length: payload.mebibytes / 8 }, () => Buffer.alloc(8 * 1024 * 1024, 1))
    await new Promise((resolve) => setTimeout(resolve, 500))
    return kept.length
  },
  spin_exit: () => process.exit(3),
  spin_rejection: async () => {
    void Promise.reject(new Error('nobody listens'))
    await new Promise((resolve) => setTimeout(resolve, 1500))
  },
}

export default definePlugin({
  contract: 1,
  name: '@mcp-worker/handler-spin',
  version: '1.0.0',
  module: import.meta.url,
  host: 'thread',
  threadMemoryMb: THREAD_MEMORY_MB,
  options: z.strictObject({ ledger: z.string() }),
  setup: ({ options }) => openLedger(options.ledger),
  handlers: (handler) =>
    Object.entries(DEEDS).map(([type, deed]) =>
      handler(type, {
        payload: z.strictObject({ mebibytes: z.int().default(0) }),
        result: z.strictObject({}),
        timeout: TIMEOUTS[type] ?? '20s',
        retry: { maxAttempts: 1 },
        run: async (context: Context) => {
          const { task, deps: ledger } = context
          ledger.write({
            e: 'start',
            id: task.id,
            d: task.delivery,
            a: task.attempt,
            pid: process.pid,
            kept: 0,
          })
          await deed(context)
          return {}
        },
      }),
    ),
})
