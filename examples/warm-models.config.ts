import modelCache from '@mcp-worker/handler-model-cache'
import { defineConfig } from '@mcp-worker/worker'

export default defineConfig({
  plugins: [
    modelCache({
      // where models are loaded that no other rule gives to an engine
      ollama: { url: process.env['OLLAMA_URL'] ?? 'http://127.0.0.1:11434' },
      // where `file` and `onnx` find theirs
      modelsRoot: process.env['MODELS_ROOT'] ?? 'data/models',
      models: {
        chat: { engine: 'file', name: 'chat.bin' },
        code: { engine: 'file', name: 'code.bin' },
        summary: { engine: 'file', name: 'summary.bin', keepAlive: '10m' },
      },
      // every replica loads these before it is ready
      warm: ['chat'],
      // what models may take of this process and its children; small, to show what happens when it is full
      memoryLimitMb: 100,
      // default 30 s: what was just loaded is not pushed out at once
      minResidency: '0s',
    }),
  ],
})
