import { join } from 'node:path'
import { createFileEngine, fileEngineOptions } from '@mcp-worker/handler-model-cache'
import { writeGguf } from '../models/write-gguf.js'
import { describeCycles } from './cycles.fixture.js'

describeCycles('file', async (root) => {
  for (const name of ['small.gguf', 'other.gguf']) writeGguf(join(root, name), 2)
  return { engine: createFileEngine(fileEngineOptions.parse({ root })), models: ['small.gguf', 'other.gguf'] }
})
