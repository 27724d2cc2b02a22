import { setImmediate } from 'node:timers/promises'
import { createOllamaEngine, ollamaEngineOptions } from '@mcp-worker/handler-model-cache'
import { expect, onTestFinished, test } from 'vitest'
import { loadOptions, modelRef } from '../engine-suite.js'
import { openOllama } from './ollama.fixture.js'

const never = new AbortController().signal
const oneRun = { runs: 1, maxMs: 60_000, signal: never }
const llama = modelRef('llama3.2')
const nomic = modelRef('nomic-embed-text')

test('notices a server that goes while it holds models', async () => {
  const { server, engine } = await openOllama()
  const first = await engine.load(llama, loadOptions())
  const second = await engine.load(nomic, loadOptions())
  const reasons = Promise.all(
    [first, second].map((loaded) => new Promise<Error>((resolve) => loaded.onGone(resolve))),
  )
  await server.stop()
  for (const reason of await reasons) expect(reason).toMatchObject({ code: 'MODEL_GONE' })
  await expect(second.embedder?.embed(['text'])).rejects.toMatchObject({ code: 'MODEL_GONE' })
})

test('rejects a run under way with MODEL_GONE when the server drops the model', async () => {
  const { server, engine } = await openOllama()
  const loaded = await engine.load(llama, loadOptions())
  server.faults.push({ path: '/api/generate', kind: 'hold' })
  const running = loaded.warmup(oneRun)
  running.catch(() => {})
  await server.held(1)
  server.loaded.clear()
  await expect(running).rejects.toMatchObject({ code: 'MODEL_GONE' })
})

test('takes a runner that died under a run for gone', async () => {
  const { server, engine } = await openOllama({ watchInterval: '1h' })
  const loaded = await engine.load(llama, loadOptions())
  const error =
    'model runner has unexpectedly stopped, this may be due to resource limitations or an internal error'
  server.faults.push({ path: '/api/generate', kind: 'status', status: 500, error })
  const gone = new Promise<Error>((resolve) => loaded.onGone(resolve))
  await expect(loaded.warmup(oneRun)).rejects.toMatchObject({ code: 'MODEL_GONE' })
  expect(await gone).toMatchObject({ code: 'MODEL_GONE' })
})

test('does not take a server that is slow to answer for gone: it holds the list back while it loads', async () => {
  const { server, engine } = await openOllama({ requestTimeout: '1s' })
  const loaded = await engine.load(llama, loadOptions())
  const reasons: Error[] = []
  loaded.onGone((reason) => reasons.push(reason))
  const before = server.received.length
  for (let times = 0; times < 3; times += 1) server.faults.push({ path: '/api/ps', kind: 'hold' })
  await server.held(3)
  while (server.received.length < before + 5) await setImmediate()
  expect(reasons).toEqual([])
})

test('stops asking the server when nothing is loaded any more', async () => {
  const { server, engine } = await openOllama({ apiKey: 'stopped' })
  const options = { url: server.url, apiKey: 'watching', watchInterval: '20ms' }
  const watching = createOllamaEngine(ollamaEngineOptions.parse(options))
  onTestFinished(() => watching.close())
  const loaded = await engine.load(llama, loadOptions())
  await watching.load(modelRef('qwen3:4b'), loadOptions())
  await loaded.unload(never)
  const questionsOf = (key: string) =>
    server.received.filter((one) => one.path === '/api/ps' && one.authorization === `Bearer ${key}`).length
  const before = { stopped: questionsOf('stopped'), watching: questionsOf('watching') }
  // the other engine's questions are the clock
  while (questionsOf('watching') < before.watching + 5) await setImmediate()
  expect(questionsOf('stopped')).toBe(before.stopped)
})

test('asks no sooner than after 30 days where that is its time, and gives up no sooner', async () => {
  const { server } = await openOllama()
  const open = (apiKey: string, watchInterval: string) => {
    const times = { requestTimeout: '30d', loadTimeout: '30d', unloadTimeout: '30d', watchInterval }
    const engine = createOllamaEngine(ollamaEngineOptions.parse({ url: server.url, apiKey, ...times }))
    onTestFinished(() => engine.close())
    return engine
  }
  const loaded = await open('seldom', '30d').load(llama, loadOptions())
  await open('often', '20ms').load(modelRef('qwen3:4b'), loadOptions())
  const before = server.received.length
  // the questions of the other engine are the clock
  while (server.received.length < before + 20) await setImmediate()
  const later = server.received.slice(before).map(({ authorization }) => authorization)
  expect(later).not.toContain('Bearer seldom')
  await loaded.unload(never)
})
