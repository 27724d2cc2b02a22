import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createOnnxEngine, type LoadedModel, onnxEngineOptions } from '@mcp-worker/handler-model-cache'
import { expect, onTestFinished, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { onnxWithExternalWeights, writeOnnx } from '../models/write-onnx.js'
import { modelFolder, putRealModels } from './folder.fixture.js'
import { onnxChildren, residentBytes } from './onnx-children.js'

const never = new AbortController().signal
const oneRun = { runs: 1, maxMs: 60_000, signal: never }
const run = promisify(execFile)
const mebibyte = 2 ** 20
const loadProgram = fileURLToPath(new URL('load-onnx.fixture.ts', import.meta.url))

async function openOnnx() {
  const root = await modelFolder()
  const engine = createOnnxEngine(onnxEngineOptions.parse({ root }))
  onTestFinished(() => engine.close())
  return { root, engine }
}

/** The process of a load that is under way. */
async function childOf(loading: Promise<unknown>): Promise<number> {
  const state = { settled: false }
  const settle = (): void => void (state.settled = true)
  void loading.then(settle, settle)
  while (!state.settled) {
    const [pid] = await onnxChildren()
    if (pid !== undefined) return pid
  }
  throw new Error('expected a load under way, it has ended')
}

async function openReal(model = 'small.onnx') {
  const { root, engine } = await openOnnx()
  await putRealModels(root)
  return { root, engine, loaded: await engine.load(modelRef(model), loadOptions()) }
}

test('runs a real model with zeros of its own making, open dimensions included', async () => {
  const { loaded } = await openReal('other.onnx')
  expect((await loaded.warmup({ ...oneRun, runs: 5 })).runs).toBe(5)
})

test('says whether its file is still the one that was loaded', async () => {
  const { root, loaded } = await openReal()
  expect(await loaded.isCurrent?.()).toBe(true)
  await cp(join(root, 'other.onnx'), join(root, 'small.onnx'))
  expect(await loaded.isCurrent?.()).toBe(false)
})

test('runs a real model with the inputs that are given', async () => {
  const { loaded } = await openReal()
  const samples = Array.from({ length: 1536 }, (_, index) => Math.sin(index / 10))
  const inputs = { input: { shape: [1, 1536], data: samples }, sr: { shape: [], data: [16_000] } }
  expect((await loaded.warmup({ ...oneRun, inputs })).runs).toBe(1)
})

test('says which inputs do not fit the model', async () => {
  const { loaded } = await openReal()
  const failed = (inputs: unknown) => loaded.warmup({ ...oneRun, inputs })
  await expect(failed({ pixels: [1] })).rejects.toMatchObject({
    code: 'WARMUP_UNFIT',
    message: expect.stringContaining('expected inputs of input, sr, h, c, got "pixels"') as string,
  })
  await expect(failed({ input: { shape: [1, 2, 3] } })).rejects.toMatchObject({ code: 'WARMUP_UNFIT' })
  await expect(loaded.warmup({ ...oneRun, prompt: 'Hello' })).rejects.toMatchObject({
    code: 'MODEL_UNSUPPORTED',
  })
  expect((await loaded.warmup(oneRun)).runs).toBe(1)
})

test('measures what the process of the model takes', async () => {
  const { root, engine } = await openOnnx()
  writeOnnx(join(root, 'big.onnx'), 100)
  const loaded = await engine.load(modelRef('big.onnx'), loadOptions())
  const [pid = 0] = await onnxChildren()
  const resident = await residentBytes(pid)
  expect(loaded.measuredBytes).toBeGreaterThan(100 * mebibyte)
  expect(loaded.measuredBytes).toBeLessThanOrEqual(resident * 1.05)
})

test('reserves for the peak of a load, not only for what stays', async () => {
  const { root, engine } = await openOnnx()
  writeOnnx(join(root, 'big.onnx'), 100)
  const { bytes, peakBytes } = await engine.estimate(modelRef('big.onnx'), never)
  await engine.load(modelRef('big.onnx'), loadOptions())
  const [pid = 0] = await onnxChildren()
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
  expect(peak).toBeGreaterThan(200 * mebibyte)
  expect(peak).toBeLessThanOrEqual(bytes)
  // also when what stays is known
  expect(peakBytes).toBe(bytes)
})

test('reports how much is read while it loads', async () => {
  const { root, engine } = await openOnnx()
  writeOnnx(join(root, 'big.onnx'), 200)
  const steps: number[] = []
  await engine.load(modelRef('big.onnx'), loadOptions({ progress: (done) => void steps.push(done) }))
  const size = steps.at(-1) ?? 0
  expect(size).toBeGreaterThan(200 * mebibyte)
  expect(steps.some((done) => done > 0 && done < size)).toBe(true)
})

test('tells missing, truncated, corrupt and unsupported models apart before anything is loaded', async () => {
  const { root, engine } = await openOnnx()
  await putRealModels(root)
  await truncate(join(root, 'small.onnx'), 1_000_000)
  await writeFile(join(root, 'text.onnx'), 'not a model at all')
  await writeFile(join(root, 'model.bin'), 'a file of another kind')
  const codes = {
    'none.onnx': 'MODEL_NOT_FOUND',
    'small.onnx': 'MODEL_TRUNCATED',
    'text.onnx': 'MODEL_CORRUPT',
    'model.bin': 'MODEL_UNSUPPORTED',
  }
  for (const [name, code] of Object.entries(codes)) {
    await expect(engine.estimate(modelRef(name), never)).rejects.toMatchObject({ code, retryable: false })
    await expect(engine.load(modelRef(name), loadOptions())).rejects.toMatchObject({ code, retryable: false })
  }
  expect(await onnxChildren()).toEqual([])
})

test('calls a model corrupt whose lengths are right but whose content ONNX Runtime refuses, and leaves nothing of it', async () => {
  const { root, engine } = await openOnnx()
  await putRealModels(root)
  const path = join(root, 'small.onnx')
  const content = await readFile(path)
  // the names of the operators
  for (let at = content.indexOf('Conv'); at !== -1; at = content.indexOf('Conv', at + 1))
    content.write('C\0nv', at)
  await writeFile(path, content)
  await engine.estimate(modelRef('small.onnx'), never)
  const load = engine.load(modelRef('small.onnx'), loadOptions())
  await expect(load).rejects.toMatchObject({ retryable: false })
  expect(await onnxChildren()).toEqual([])
})

test('asks for the weights that a model keeps in other files', async () => {
  const { root, engine } = await openOnnx()
  const bytes = 4 * mebibyte
  await writeFile(join(root, 'model.onnx'), onnxWithExternalWeights('weights.bin', bytes))
  const model = modelRef('model.onnx')
  await expect(engine.estimate(model, never)).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
  await writeFile(join(root, 'weights.bin'), Buffer.alloc(bytes - 1))
  await expect(engine.estimate(model, never)).rejects.toMatchObject({ code: 'MODEL_TRUNCATED' })
  await writeFile(join(root, 'weights.bin'), Buffer.alloc(bytes, 1))
  expect((await engine.estimate(model, never)).bytes).toBeGreaterThan(96 * mebibyte + 2 * bytes)
  const loaded = await engine.load(model, loadOptions())
  expect((await loaded.warmup(oneRun)).runs).toBe(1)
  await writeFile(join(root, 'model.onnx'), onnxWithExternalWeights('../weights.bin', bytes))
  await expect(engine.estimate(model, never)).rejects.toMatchObject({ code: 'MODEL_CORRUPT' })
})

test('names the death of a process under its load', async () => {
  const { root, engine } = await openOnnx()
  writeOnnx(join(root, 'big.onnx'), 200)
  const loading = engine.load(modelRef('big.onnx'), loadOptions())
  loading.catch(() => {})
  process.kill(await childOf(loading), 'SIGKILL')
  await expect(loading).rejects.toMatchObject({
    code: 'MODEL_GONE',
    retryable: true,
    message: expect.stringContaining('signal SIGKILL') as string,
  })
})

test('rejects a run under way with MODEL_GONE when the process dies, and lives on itself', async () => {
  const { loaded } = await openReal()
  const [pid = 0] = await onnxChildren()
  const running = loaded.warmup({ ...oneRun, runs: 1_000_000 })
  running.catch(() => {})
  await setImmediate()
  process.kill(pid, 'SIGABRT')
  await expect(running).rejects.toMatchObject({ code: 'MODEL_GONE' })
})

test('rejects a run that is aborted, and runs again after it', async () => {
  const { loaded } = await openReal()
  const abort = new AbortController()
  const running = loaded.warmup({ ...oneRun, runs: 1_000_000, signal: abort.signal })
  running.catch(() => {})
  await setImmediate()
  abort.abort(new Error('stop'))
  await expect(running).rejects.toThrow('stop')
  expect((await loaded.warmup(oneRun)).runs).toBe(1)
})

test('calls a load that gets no memory out of memory, and leaves nothing of it', async () => {
  const root = await modelFolder()
  writeOnnx(join(root, 'big.onnx'), 1200, { sparse: true })
  // a limit of the shell is that of all that it starts; Node and a thread of it ask for 1.3 GB of address space
  const command = 'ulimit -d 1500000 && exec "$0" "$@"'
  const { stdout } = await run('sh', ['-c', command, process.execPath, loadProgram, root, 'big.onnx'])
  expect(JSON.parse(stdout)).toEqual({ code: 'OUT_OF_MEMORY', retryable: true, children: 0 })
})

test('ends its processes with the worker, however that ends', async () => {
  const root = await modelFolder()
  await putRealModels(root)
  const killed = run(process.execPath, [loadProgram, root, 'small.onnx', 'die'])
  const { stdout, signal } = await killed.then(
    () => ({ stdout: '', signal: null }),
    (error: { readonly stdout: string; readonly signal: string }) => error,
  )
  expect(signal).toBe('SIGKILL')
  const { child } = JSON.parse(stdout) as { child: number }
  while ((await residentBytes(child)) > 0) await setImmediate()
})

test('says which package is missing and how to install it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'model-cache-bare-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const require = createRequire(import.meta.url)
  const own = dirname(require.resolve('@mcp-worker/handler-model-cache/package.json'))
  await cp(join(own, 'dist'), join(folder, 'dist'), { recursive: true })
  await cp(join(own, 'package.json'), join(folder, 'package.json'))
  await mkdir(join(folder, 'node_modules/@mcp-worker'), { recursive: true })
  for (const name of ['zod', '@mcp-worker/runtime', '@mcp-worker/embedder']) {
    await symlink(dirname(require.resolve(`${name}/package.json`)), join(folder, 'node_modules', name))
  }
  const program = `
    import { createOnnxEngine } from './dist/engines/onnx/onnx-engine.js'
    const engine = createOnnxEngine({ root: '.', threads: 1, providers: ['cpu'] })
    const model = { modelId: 'a.onnx', revision: null, digest: null }
    const { code, message } = await engine.estimate(model, AbortSignal.timeout(60000)).catch((error) => error)
    console.log(JSON.stringify({ code, message }))`
  // without NODE_PATH, through which package managers' scripts find more than is installed
  const options = { cwd: folder, env: {} }
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], options)
  expect(JSON.parse(stdout)).toEqual({
    code: 'ENGINE_NOT_INSTALLED',
    message: expect.stringMatching(/npm install onnxruntime-node.*onnxruntime-node-install=skip/) as string,
  })
})

test('gives several models a process each', async () => {
  const { root, engine } = await openOnnx()
  await putRealModels(root)
  const loaded: LoadedModel[] = []
  for (const name of ['small.onnx', 'other.onnx'])
    loaded.push(await engine.load(modelRef(name), loadOptions()))
  expect(await onnxChildren()).toHaveLength(2)
  await loaded[0]?.unload(never)
  expect(await onnxChildren()).toHaveLength(1)
})
