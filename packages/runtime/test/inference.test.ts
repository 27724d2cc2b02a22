import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { definePlugin, defineService } from '../src/plugin.js'
import type { createWorker as createWorkerType } from '../src/worker.js'

interface Embedder {
  embed(texts: readonly string[]): Promise<Float32Array[]>
}
const EmbedderService = defineService<Embedder>('embedder')

const thumbnail = definePlugin({
  contract: 1,
  name: '@acme/handler-thumbnail',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({ bucket: z.string(), size: z.int().default(64) }),
  uses: { embedder: EmbedderService, maybe: EmbedderService.optional() },
  host: 'thread',
  setup: ({ options, services }) => ({ n: options.size, e: services.embedder }),
  health: ({ deps }) => void deps.n.toFixed(),
  teardown: ({ deps }) => void deps.n,
  handlers: (handler) => [
    handler('thumbnail', {
      payload: z.strictObject({ url: z.url(), width: z.int().min(16).default(100) }),
      result: z.strictObject({ key: z.string() }),
      timeout: '2m',
      retry: { maxAttempts: 3 },
      concurrency: 2,
      run: async ({ payload, deps, services }) => {
        expectTypeOf(payload).toEqualTypeOf<{ url: string; width: number }>()
        expectTypeOf(services.maybe).toEqualTypeOf<Embedder | undefined>()
        await services.embedder.embed(['x'])
        return { key: payload.url + String(payload.width + deps.n) }
      },
    }),
    handler('resize', {
      payload: { 1: z.strictObject({ a: z.string() }), 2: z.strictObject({ b: z.number() }) },
      migrate: { 1: (old: { a: string }) => ({ b: old.a.length }) },
      result: z.object({}),
      run: ({ payload }) => {
        expectTypeOf(payload).toEqualTypeOf<{ b: number }>()
        return {}
      },
    }),
  ],
  queries: (query) => [
    query('thumbnail_count', {
      input: z.strictObject({ bucket: z.string() }),
      output: z.strictObject({ count: z.int() }),
      run: ({ input, deps }) => ({ count: input.bucket.length + deps.n }),
    }),
  ],
})

const ping = definePlugin({
  contract: 1,
  name: 'ping',
  version: '1.0.0',
  module: import.meta.url,
  options: z.strictObject({}),
  provides: (provide) => [provide(EmbedderService, () => ({ embed: async () => [] }))],
  handlers: (handler) => [
    handler('ping', {
      payload: z.strictObject({}),
      result: z.object({ ok: z.boolean() }),
      run: () => ({ ok: true }),
    }),
  ],
})

/** Never called: the compiler is the test (`tsc -p .`). */
export async function submits(createWorker: typeof createWorkerType): Promise<void> {
  const queue = undefined as never
  const worker = createWorker({ plugins: [thumbnail({ bucket: 'x' }), ping()], queue })
  const task = await worker.submit('thumbnail', { url: 'http://x' })
  expectTypeOf(await task.result()).toEqualTypeOf<{ key: string }>()
  await worker.submit('resize', { b: 1 })
  await worker.submit('ping', {})
  expectTypeOf(await worker.query('thumbnail_count', { bucket: 'x' })).toEqualTypeOf<{ count: number }>()
  // @ts-expect-error a field of another type
  await worker.submit('thumbnail', { url: 1 })
  // @ts-expect-error the older version's payload
  await worker.submit('resize', { a: 'x' })
  // @ts-expect-error a type that no plugin has
  await worker.submit('nope', {})
  // @ts-expect-error a query that no plugin has
  await worker.query('nope', {})
  // @ts-expect-error an option is missing
  thumbnail({})
  // @ts-expect-error all options are missing
  thumbnail()
}

test('types flow from the schemas to submit, run and query without an annotation', () => {
  expectTypeOf(submits).toBeFunction()
})
