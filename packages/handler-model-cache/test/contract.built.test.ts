import modelCache from '@mcp-worker/handler-model-cache'
import { testPlugin, type SampleContext } from '@mcp-worker/runtime/testing'

/** What is in memory, without the figures that differ from run to run. */
async function inMemory(context: SampleContext): Promise<unknown> {
  const { models } = (await context.query('model_cache_status', {})) as { models: Record<string, unknown>[] }
  return models.map(({ model_id, state, uses, pinned }) => ({ model_id, state, uses, pinned }))
}

testPlugin(modelCache(), {
  // joins and reservations need one memory
  hosts: ['inline'],
  samples: {
    model_cache: {
      payload: { model_id: 'builtin', operation: 'pin' },
      invalid: [
        {},
        { model_id: '' },
        { model_id: 'a', operation: 'forget' },
        { model_id: 'a', keep_alive: '24' },
        { model_id: 'a', surprise: 1 },
      ],
      state: inMemory,
    },
  },
  queries: { model_cache_status: { all: true } },
})
