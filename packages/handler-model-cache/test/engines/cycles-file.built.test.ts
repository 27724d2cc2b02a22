import { join } from 'node:path'
import { createFileEngine, fileEngineOptions } from '@mcp-worker/handler-model-cache'
import { writeGguf } from '../models/write-gguf.js'
import { describeCycles } from './cycles.fixture.js'

describeCycles('file', async (root) => {
  writeGguf(join(root, 'small.gguf'), 2)
  return { engine: createFileEngine(fileEngineOptions.parse({ root })), model: 'small.gguf' }
})
