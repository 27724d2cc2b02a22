import { appendFile, mkdir, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  createFileEngine,
  createOnnxEngine,
  fileEngineOptions,
  type LoadedModel,
  onnxEngineOptions,
} from '@mcp-worker/handler-model-cache'
import { expect, onTestFinished, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { onnxWithExternalWeights } from '../models/write-onnx.js'
import { writeGguf } from '../models/write-gguf.js'
import { modelFolder } from './folder.fixture.js'
import { engineThreads } from './worker-threads.js'

const never = new AbortController().signal
const oneRun = { runs: 1, maxMs: 60_000, signal: never }

async function openFile() {
  const root = await modelFolder()
  const engine = createFileEngine(fileEngineOptions.parse({ root, watchInterval: '20ms' }))
  onTestFinished(() => engine.close())
  return { root, engine }
}

function goneOf(loaded: LoadedModel): Promise<Error> {
  return new Promise((resolve) => loaded.onGone(resolve))
}

const losses: readonly (readonly [string, (path: string) => Promise<unknown>])[] = [
  ['is deleted', (path) => rm(path)],
  ['is moved away', (path) => rename(path, `${path}.old`)],
  ['is cut', (path) => truncate(path, 1000)],
  ['is written to', (path) => appendFile(path, 'x')],
  ['is touched', (path) => utimes(path, 1, 1)],
  [
    'is replaced by another with its name',
    async (path) => {
      writeGguf(`${path}.new`, 1)
      await rename(`${path}.new`, path)
    },
  ],
]

test.each(losses)('is gone when its file %s', async (_what, lose) => {
  const { root, engine } = await openFile()
  const path = join(root, 'model.gguf')
  writeGguf(path, 1)
  const loaded = await engine.load(modelRef('model.gguf'), loadOptions())
  const gone = goneOf(loaded)
  await lose(path)
  expect(await gone).toMatchObject({ code: 'MODEL_GONE' })
  await loaded.unload(never)
})

test('notices at a warmup that the file is another, before the watch does', async () => {
  const root = await modelFolder()
  const engine = createFileEngine(fileEngineOptions.parse({ root, watchInterval: '1h' }))
  onTestFinished(() => engine.close())
  writeGguf(join(root, 'model.gguf'), 1)
  const loaded = await engine.load(modelRef('model.gguf'), loadOptions())
  const gone = goneOf(loaded)
  expect(await loaded.isCurrent?.()).toBe(true)
  await rm(join(root, 'model.gguf'))
  expect(await loaded.isCurrent?.()).toBe(false)
  await expect(loaded.warmup(oneRun)).rejects.toMatchObject({ code: 'MODEL_GONE' })
  expect(await gone).toMatchObject({ code: 'MODEL_GONE' })
})

test('tells missing, truncated and corrupt files apart, and leaves no thread', async () => {
  const { root, engine } = await openFile()
  writeGguf(join(root, 'cut.gguf'), 1)
  await truncate(join(root, 'cut.gguf'), 500_000)
  await writeFile(join(root, 'text.gguf'), 'hello')
  await writeFile(join(root, 'empty.bin'), '')
  await mkdir(join(root, 'folder'))
  const codes = {
    'none.gguf': 'MODEL_NOT_FOUND',
    folder: 'MODEL_NOT_FOUND',
    'cut.gguf': 'MODEL_TRUNCATED',
    'empty.bin': 'MODEL_TRUNCATED',
    'text.gguf': 'MODEL_CORRUPT',
  }
  for (const [name, code] of Object.entries(codes)) {
    await expect(engine.estimate(modelRef(name), never)).rejects.toMatchObject({ code, retryable: false })
    await expect(engine.load(modelRef(name), loadOptions())).rejects.toMatchObject({ code, retryable: false })
  }
  expect(engineThreads()).toBe(0)
})

test('reads nothing outside its folder, whatever the name says', async () => {
  const { root, engine } = await openFile()
  const outside = await modelFolder()
  await writeFile(join(outside, 'secret.bin'), 'secret')
  await symlink(join(outside, 'secret.bin'), join(root, 'link.bin'))
  await symlink(outside, join(root, 'folder'))
  const names = [
    'link.bin',
    'folder/secret.bin',
    '../secret.bin',
    join(outside, 'secret.bin'),
    '.',
    '',
    'a//b',
    'a\0b',
  ]
  for (const name of names) {
    await expect(engine.estimate(modelRef(name), never)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  }
})

test('follows links within its folder, as the hub keeps its files', async () => {
  const { root, engine } = await openFile()
  await mkdir(join(root, 'models--a--b/blobs'), { recursive: true })
  await mkdir(join(root, 'models--a--b/snapshots/main'), { recursive: true })
  writeGguf(join(root, 'models--a--b/blobs/0123'), 1)
  writeGguf(join(root, 'models--a--b/blobs/4567'), 1)
  const name = 'models--a--b/snapshots/main/model.gguf'
  await symlink('../../blobs/0123', join(root, name))
  const loaded = await engine.load(modelRef(name), loadOptions())
  const gone = goneOf(loaded)
  // another revision
  await symlink('../../blobs/4567', join(root, `${name}.new`))
  await rename(join(root, `${name}.new`), join(root, name))
  expect(await gone).toMatchObject({ code: 'MODEL_GONE' })
})

test('reads the weights that an ONNX model keeps in other files, and watches them', async () => {
  const { root, engine } = await openFile()
  const bytes = 1 << 20
  const model = onnxWithExternalWeights('weights.bin', bytes)
  await writeFile(join(root, 'model.onnx'), model)
  await writeFile(join(root, 'weights.bin'), Buffer.alloc(bytes, 1))
  const total = model.length + bytes
  expect((await engine.estimate(modelRef('model.onnx'), never)).bytes).toBe(total)
  const steps: number[] = []
  const options = loadOptions({ progress: (done) => void steps.push(done) })
  const loaded = await engine.load(modelRef('model.onnx'), options)
  expect(loaded.measuredBytes).toBe(total)
  expect(steps.at(-1)).toBe(total)
  const gone = goneOf(loaded)
  await rm(join(root, 'weights.bin'))
  expect(await gone).toMatchObject({ code: 'MODEL_GONE' })
})

test('does not follow the weights of a model out of its folder', async () => {
  const { root, engine } = await openFile()
  const outside = await modelFolder()
  await writeFile(join(outside, 'secret.bin'), Buffer.alloc(8192))
  await symlink(join(outside, 'secret.bin'), join(root, 'weights.bin'))
  await writeFile(join(root, 'model.onnx'), onnxWithExternalWeights('weights.bin', 8192))
  const onnx = createOnnxEngine(onnxEngineOptions.parse({ root }))
  onTestFinished(() => onnx.close())
  for (const asked of [engine, onnx]) {
    await expect(asked.estimate(modelRef('model.onnx'), never)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
  }
})

test('takes a digest in capitals for what it is', async () => {
  const { root, engine } = await openFile()
  await writeFile(join(root, 'abc.bin'), 'abc')
  const digest = 'sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD'
  expect((await engine.estimate(modelRef('abc.bin', digest), never)).digest).toBe(digest.toLowerCase())
})

test('has nothing to run: refuses inputs and prompts', async () => {
  const { root, engine } = await openFile()
  await writeFile(join(root, 'abc.bin'), 'abc')
  const loaded = await engine.load(modelRef('abc.bin'), loadOptions())
  for (const more of [{ prompt: 'Hello' }, { inputs: [1] }]) {
    await expect(loaded.warmup({ ...oneRun, ...more })).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' })
  }
})

test('ends the threads of calls under way when it is closed', async () => {
  const { root, engine } = await openFile()
  writeGguf(join(root, 'big.gguf'), 200)
  const loading = engine.load(modelRef('big.gguf'), loadOptions())
  loading.catch(() => {})
  while (engineThreads() === 0) await setImmediate()
  await engine.close()
  expect(engineThreads()).toBe(0)
  await expect(loading).rejects.toMatchObject({ code: 'CACHE_CLOSED' })
})
