import { createEmbedderEngine, embedderEngineOptions } from '@mcp-worker/handler-model-cache'
import { describeCycles } from './cycles.fixture.js'

describeCycles('embedder', async () => ({
  engine: createEmbedderEngine(embedderEngineOptions.parse({})),
  model: 'builtin',
}))
