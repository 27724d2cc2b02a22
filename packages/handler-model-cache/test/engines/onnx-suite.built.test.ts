import { join } from 'node:path'
import { createOnnxEngine, onnxEngineOptions } from '@mcp-worker/handler-model-cache'
import { describeEngine } from '../engine-suite.js'
import { writeOnnx } from '../models/write-onnx.js'
import { modelFolder, putRealModels, sharedModel } from './folder.fixture.js'
import { onnxChildren, residentBytes } from './onnx-children.js'

const smallDigest = 'sha256:a35ebf52fd3ce5f1469b2a36158dba761bc47b973ea3382b3186ca15b1f5af28'

const putSlow = sharedModel((path) => writeOnnx(path, 100))

describeEngine('onnx', async () => {
  const root = await modelFolder()
  await putRealModels(root)
  await putSlow(join(root, 'slow.onnx'))
  const engine = createOnnxEngine(onnxEngineOptions.parse({ root }))
  return {
    engine,
    model: 'small.onnx',
    other: 'other.onnx',
    slow: 'slow.onnx',
    digest: smallDigest,
    held: async () => {
      const sizes = await Promise.all((await onnxChildren()).map(residentBytes))
      return sizes.reduce((sum, size) => sum + size, 0)
    },
    lose: async () => {
      for (const pid of await onnxChildren()) process.kill(pid, 'SIGKILL')
    },
  }
})
