import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { LoadOptions, ModelEngine, ModelRef } from '@mcp-worker/handler-model-cache'

/** What the suite is told of an engine. All models are small, but for `slow`. */
export interface EngineCase {
  readonly engine: ModelEngine
  readonly model: string
  /** Another one. */
  readonly other: string
  /** The load of it takes long enough to be caught in its midst. */
  readonly slow: string
  /** How much of `slow` is to be read before its load is aborted. Default 0. */
  readonly abortAfterBytes?: number
  /** What `estimate` says of `model` for its digest where one is asked for; null: the engine has no digests. */
  readonly digest: string | null
  /** Starts a load of `slow` and resolves when it is under way. `loading` rejects when it was aborted. */
  readonly beginLoad?: (loading: Promise<unknown>) => Promise<void>
  /** What the engine holds, seen from outside it; 0: nothing. In bytes or in threads. */
  readonly held: () => Promise<number>
  /** Ends a loaded `model` behind the engine's back. */
  readonly lose: () => Promise<void> | void
}

/** A model without a revision. */
export function modelRef(modelId: string, digest: string | null = null): ModelRef {
  return { modelId, revision: null, digest }
}

export function loadOptions(more: Partial<LoadOptions> = {}): LoadOptions {
  return { signal: new AbortController().signal, progress: () => {}, keepAliveMs: null, ...more }
}

const never = new AbortController().signal
const wrongDigest = `sha256:${'0'.repeat(64)}`
const oneRun = { runs: 1, maxMs: 60_000, signal: never }

/** Held against each sentence of src/engine.ts that all engines have to keep. */
export function describeEngine(name: string, openCase: () => Promise<EngineCase>): void {
  const open = async (): Promise<EngineCase> => {
    const engineCase = await openCase()
    onTestFinished(() => engineCase.engine.close())
    return engineCase
  }

  describe(`engine ${name}`, () => {
    test('reaches for nobody when it is created', async () => {
      const { held } = await open()
      expect(await held()).toBe(0)
    })

    test('estimates at least what the loaded model is measured to take, without loading it', async () => {
      const { engine, model, held } = await open()
      const { bytes } = await engine.estimate(modelRef(model), never)
      expect(await held()).toBe(0)
      const loaded = await engine.load(modelRef(model), loadOptions())
      expect(loaded.measuredBytes ?? 0).toBeGreaterThan(0)
      expect(bytes).toBeGreaterThanOrEqual(loaded.measuredBytes ?? Infinity)
    })

    test('brings a model into memory, runs it, and gives the memory back', async () => {
      const { engine, model, held } = await open()
      const loaded = await engine.load(modelRef(model), loadOptions())
      expect(await held()).toBeGreaterThan(0)
      const times = await loaded.warmup({ ...oneRun, runs: 3 })
      expect(times.runs).toBe(3)
      expect(times.firstMs).toBeGreaterThan(0)
      expect(times.p50Ms).toBeGreaterThan(0)
      await loaded.unload(never)
      expect(await held()).toBe(0)
    })

    test('takes a second unload for done', async () => {
      const { engine, model } = await open()
      const loaded = await engine.load(modelRef(model), loadOptions())
      await loaded.unload(never)
      await expect(loaded.unload(never)).resolves.toBeUndefined()
    })

    test('does not call a model gone that was unloaded', async () => {
      const { engine, model } = await open()
      const loaded = await engine.load(modelRef(model), loadOptions())
      const reasons: Error[] = []
      loaded.onGone((reason) => reasons.push(reason))
      await loaded.unload(never)
      loaded.onGone((reason) => reasons.push(reason))
      await setImmediate()
      expect(reasons).toEqual([])
    })

    test('leaves a model loaded whose unload was aborted, and unloads it later', async () => {
      const { engine, model, held } = await open()
      const loaded = await engine.load(modelRef(model), loadOptions())
      const reason = new Error('enough')
      await expect(loaded.unload(AbortSignal.abort(reason))).rejects.toBe(reason)
      await loaded.warmup(oneRun)
      await loaded.unload(never)
      expect(await held()).toBe(0)
    })

    test('reports progress from the start on, never backwards', async () => {
      const { engine, model } = await open()
      const steps: number[] = []
      await engine.load(modelRef(model), loadOptions({ progress: (done) => void steps.push(done) }))
      expect(steps[0]).toBe(0)
      expect(steps).toEqual(steps.toSorted((a, b) => a - b))
    })

    test('frees everything of a load that is aborted in its midst, and rejects with the reason after that', async () => {
      const { engine, slow, abortAfterBytes = 0, beginLoad, held } = await open()
      const abort = new AbortController()
      const reason = new Error('nobody wants it any more')
      let loading: Promise<unknown> = Promise.resolve()
      await new Promise<void>((resolve) => {
        const progress = (done: number): void => {
          if (done >= abortAfterBytes) resolve()
        }
        const options = loadOptions({ signal: abort.signal, progress })
        loading = engine.load(modelRef(slow), options)
        loading.catch(() => {})
      })
      await beginLoad?.(loading)
      abort.abort(reason)
      await expect(loading).rejects.toBe(reason)
      expect(await held()).toBe(0)
    })

    test('starts nothing when it is aborted before', async () => {
      const { engine, model, held } = await open()
      const reason = new Error('too late')
      const signal = AbortSignal.abort(reason)
      await expect(engine.estimate(modelRef(model), signal)).rejects.toBe(reason)
      await expect(engine.load(modelRef(model), loadOptions({ signal }))).rejects.toBe(reason)
      expect(await held()).toBe(0)
    })

    test('loads after an aborted load', async () => {
      const { engine, model } = await open()
      const signal = AbortSignal.abort(new Error('not now'))
      await engine.load(modelRef(model), loadOptions({ signal })).catch(() => {})
      const loaded = await engine.load(modelRef(model), loadOptions())
      expect((await loaded.warmup(oneRun)).runs).toBe(1)
    })

    test('loads two models at the same time, and unloads one without the other', async () => {
      const { engine, model, other } = await open()
      const [first, second] = await Promise.all([
        engine.load(modelRef(model), loadOptions()),
        engine.load(modelRef(other), loadOptions()),
      ])
      await first.unload(never)
      expect((await second.warmup(oneRun)).runs).toBe(1)
    })

    test('rejects a warmup with the reason of its signal', async () => {
      const { engine, model } = await open()
      const loaded = await engine.load(modelRef(model), loadOptions())
      const reason = new Error('stop')
      await expect(loaded.warmup({ ...oneRun, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    })

    test('tells each listener once that a model is gone, and runs it no more', async () => {
      const { engine, model, lose } = await open()
      const loaded = await engine.load(modelRef(model), loadOptions())
      const reasons: Error[] = []
      const gone = new Promise<Error>((resolve) => {
        loaded.onGone((reason) => {
          reasons.push(reason)
          resolve(reason)
        })
      })
      await lose()
      expect(await gone).toMatchObject({ code: 'MODEL_GONE', retryable: true })
      await expect(loaded.warmup(oneRun)).rejects.toMatchObject({ code: 'MODEL_GONE' })
      const late = await new Promise<Error>((resolve) => loaded.onGone(resolve))
      expect(late).toBe(reasons[0])
      await loaded.unload(never)
      expect(reasons).toHaveLength(1)
    })

    test('says of a model that is not there that it was not found', async () => {
      const { engine, held } = await open()
      const missing = modelRef('no-such-model')
      await expect(engine.estimate(missing, never)).rejects.toMatchObject({
        code: 'MODEL_NOT_FOUND',
        retryable: false,
      })
      await expect(engine.load(missing, loadOptions())).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
      expect(await held()).toBe(0)
    })

    test('takes the right digest and refuses another before it loads', async () => {
      const { engine, model, digest } = await open()
      const wrong = modelRef(model, wrongDigest)
      const code = digest === null ? 'MODEL_UNSUPPORTED' : 'DIGEST_MISMATCH'
      await expect(engine.estimate(wrong, never)).rejects.toMatchObject({ code, retryable: false })
      await expect(engine.load(wrong, loadOptions())).rejects.toMatchObject({ code })
      if (digest === null) return
      expect(await engine.estimate(modelRef(model, digest), never)).toMatchObject({ digest })
      await engine.load(modelRef(model, digest), loadOptions())
    })

    test('refuses a revision, having none', async () => {
      const { engine, model } = await open()
      const revised = { ...modelRef(model), revision: 'main' }
      const expected = { code: 'MODEL_UNSUPPORTED', retryable: false }
      await expect(engine.estimate(revised, never)).rejects.toMatchObject(expected)
      await expect(engine.load(revised, loadOptions())).rejects.toMatchObject(expected)
    })

    test('closes twice, and frees what is its own', async () => {
      const { engine, model, held } = await open()
      await engine.load(modelRef(model), loadOptions())
      await engine.close()
      await expect(engine.close()).resolves.toBeUndefined()
      expect((await held()) > 0).toBe(engine.sharedEndpoint)
    })
  })
}
