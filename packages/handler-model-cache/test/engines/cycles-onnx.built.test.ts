import { createOnnxEngine, onnxEngineOptions } from '@mcp-worker/handler-model-cache'
import { describeCycles } from './cycles.fixture.js'
import { putRealModels } from './folder.fixture.js'

describeCycles('onnx', async (root) => {
  await putRealModels(root)
  return { engine: createOnnxEngine(onnxEngineOptions.parse({ root })), models: ['small.onnx', 'other.onnx'] }
})
