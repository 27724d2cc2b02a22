import { createEmbedderEngine, embedderEngineOptions } from '@mcp-worker/handler-model-cache'
import { describeCycles } from './cycles.fixture.js'

describeCycles('embedder', async () => ({
  engine: createEmbedderEngine(
    embedderEngineOptions.parse({ models: { one: { engine: 'builtin' }, two: { engine: 'builtin' } } }),
  ),
  models: ['one', 'two'],
}))
