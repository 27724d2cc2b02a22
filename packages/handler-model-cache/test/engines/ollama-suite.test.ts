import { describeEngine } from '../engine-suite.js'
import { openOllama } from './ollama.fixture.js'

describeEngine('ollama', async () => {
  const { server, engine } = await openOllama()
  return {
    engine,
    model: 'llama3.2',
    other: 'qwen3:4b',
    slow: 'slow',
    digest: `sha256:${'a'.repeat(64)}`,
    beginLoad: async () => {
      server.faults.push({ path: '/api/generate', kind: 'hold' })
      await server.held(1)
    },
    held: async () => server.heldBytes(),
    lose: () => void server.loaded.delete('llama3.2:latest'),
  }
})
