import { createEmbedderEngine, embedderEngineOptions } from '@mcp-worker/handler-model-cache'
import { describeCycles } from './cycles.fixture.js'

// one at a time: two threads with the word table at once leave the allocator's arenas in another shape each time, 10 % of the figure
describeCycles('embedder', async () => ({
  engine: createEmbedderEngine(embedderEngineOptions.parse({})),
  models: ['builtin'],
}))
