import { z } from 'zod'
import { ModelError } from '../../errors.js'
import { errorOfAnswer } from './answer-errors.js'
import { createHttpCall, timeOf, type HttpAnswer } from './http-call.js'
import type { OllamaEngineOptions } from './options.js'

/** A model that the server has on its disk. */
export interface StoredModel {
  readonly name: string
  /** Of its files. */
  readonly size: number
  /** Of its manifest: 64 hex digits. */
  readonly digest: string
}

/** A model in the server's memory. */
export interface RunningModel {
  readonly name: string
  /** Of its memory, GPU and other. */
  readonly size: number
  /** Until the server unloads it, in milliseconds; below 0 where that is due. null: it does not say. */
  readonly leftMs: number | null
}

export interface ModelDetails {
  /** `completion`, `embedding`, …; null: the server is too old to tell. */
  readonly capabilities: readonly string[] | null
  readonly info: Readonly<Record<string, unknown>>
}

/** Ollama's HTTP interface as far as the engine needs it. Source: ollama docs/api.md, server/routes.go. Failures are ModelErrors. */
export interface OllamaServer {
  stored(signal: AbortSignal): Promise<readonly StoredModel[]>
  /** The server holds the answer back while it loads a model. @param timeoutMs default: as for any question */
  running(signal: AbortSignal, timeoutMs?: number): Promise<readonly RunningModel[]>
  details(model: string, signal: AbortSignal): Promise<ModelDetails>
  /** Without a prompt: only loads it. */
  generate(input: RunInput & { readonly prompt?: string }, signal: AbortSignal): Promise<void>
  embed(input: RunInput & { readonly input: readonly string[] }, signal: AbortSignal): Promise<number[][]>
  /** The server answers before it is done. An unknown model is no error: it is in no memory. */
  askToUnload(model: string, signal: AbortSignal): Promise<void>
}

interface RunInput {
  readonly model: string
  readonly keepAliveMs: number | null
  readonly timeoutMs: number
}

const storedAnswer = z.object({
  models: z.array(z.object({ name: z.string(), size: z.number(), digest: z.string().default('') })),
})
const runningAnswer = z.object({
  models: z.array(
    z.object({ name: z.string(), size: z.number(), expires_at: z.string().optional().catch(undefined) }),
  ),
})
const detailsAnswer = z.object({
  capabilities: z.array(z.string()).nullish(),
  model_info: z.record(z.string(), z.unknown()).nullish(),
})
const embedAnswer = z.object({ embeddings: z.array(z.array(z.number())) })

export function createOllamaServer(options: OllamaEngineOptions): OllamaServer {
  const { requestTimeout: questionMs, contextLength } = options
  const call = createHttpCall(baseOf(options.url), options.apiKey)
  const context = contextLength === undefined ? {} : { num_ctx: contextLength }

  async function ask<T>(
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    what: string,
    signal: AbortSignal,
  ) {
    return read(await call(path, body, { signal, timeoutMs: questionMs }), schema, what)
  }
  return {
    stored: async (signal) =>
      (await ask('/api/tags', undefined, storedAnswer, 'the list of models', signal)).models,
    async running(signal, timeoutMs = questionMs) {
      const answer = await call('/api/ps', undefined, { signal, timeoutMs })
      const { models } = read(answer, runningAnswer, 'the list of running models')
      return models.map(({ name, size, expires_at: expiresAt }) => {
        const endsAt = timeOf(expiresAt)
        return { name, size, leftMs: endsAt === null ? null : endsAt - answer.at }
      })
    },
    async details(model, signal) {
      const what = `the details of ${JSON.stringify(model)}`
      const { capabilities, model_info: info } = await ask(
        '/api/show',
        { model },
        detailsAnswer,
        what,
        signal,
      )
      return { capabilities: capabilities ?? null, info: info ?? {} }
    },
    async generate({ model, prompt, keepAliveMs, timeoutMs }, signal) {
      const body = {
        model,
        stream: false,
        keep_alive: keepAliveText(keepAliveMs),
        ...(prompt === undefined ? {} : { prompt }),
        options: { ...context, ...(prompt === undefined ? {} : { num_predict: 1 }) },
      }
      const answer = await call('/api/generate', body, { signal, timeoutMs })
      const what = `${JSON.stringify(model)} to ${prompt === undefined ? 'load' : 'run'}`
      read(answer, z.object({ done: z.literal(true) }), what)
    },
    async embed({ model, input, keepAliveMs, timeoutMs }, signal) {
      const body = { model, input, keep_alive: keepAliveText(keepAliveMs), options: context }
      const answer = await call('/api/embed', body, { signal, timeoutMs })
      return read(answer, embedAnswer, `${JSON.stringify(model)} to embed`).embeddings
    },
    async askToUnload(model, signal) {
      const body = { model, keep_alive: 0, stream: false }
      const answer = await call('/api/generate', body, { signal, timeoutMs: questionMs })
      if (answer.status !== 404) read(answer, z.unknown(), `${model} to unload`)
    },
  }
}

/** The address without what follows the path. */
export function baseOf(url: string): string {
  return url.replace(/\/+$/, '')
}

/** The server counts nanoseconds in 63 bits, some 292 years, and refuses more. */
const MOST_KEEP_ALIVE_MS = 9e12

/** 0 in a request without a prompt would unload at once. */
function keepAliveText(ms: number | null): string | number {
  return ms === null || ms > MOST_KEEP_ALIVE_MS ? -1 : `${Math.max(1000, Math.round(ms))}ms`
}

function read<T>(answer: HttpAnswer, schema: z.ZodType<T>, what: string): T {
  if (answer.status < 200 || answer.status > 299) throw errorOfAnswer(answer, what)
  const parsed = schema.safeParse(answer.json)
  if (parsed.success) return parsed.data
  throw new ModelError('ENDPOINT_FAILED', `expected ${what}, got ${answer.excerpt || 'an empty body'}`)
}
