import { writeSync } from 'node:fs'
import { createOnnxEngine, isModelError, onnxEngineOptions } from '@mcp-worker/handler-model-cache'
import { onnxChildren } from './onnx-children.ts'

/** Loads a model in a process of its own and writes what came of it; with `die` it ends as by a crash: without a word to its children. */
const [root = '', modelId = '', ending] = process.argv.slice(2)
const engine = createOnnxEngine(onnxEngineOptions.parse({ root }))
const options = { signal: new AbortController().signal, progress: () => {}, keepAliveMs: null }

async function load(): Promise<object> {
  try {
    await engine.load({ modelId, revision: null, digest: null }, options)
    const [child] = await onnxChildren()
    return { child }
  } catch (error) {
    if (!isModelError(error)) throw error
    const children = (await onnxChildren()).length
    return { code: error.code, retryable: error.retryable, children }
  }
}

writeSync(1, JSON.stringify(await load()))
if (ending === 'die') process.kill(process.pid, 'SIGKILL')
await engine.close()
