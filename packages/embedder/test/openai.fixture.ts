import { expect } from 'vitest'
import type { Embedder } from '../src/embedder.js'
import { EmbedderError } from '../src/errors.js'
import { createOpenAiEmbedder } from '../src/openai.js'
import { embedderOptions, type OpenAiOptions } from '../src/options.js'
import { type EmbeddingServer, serverDimension, serverVector } from './embedding-server.js'
import type { InstantClock } from './instant-clock.js'

export const apiKey = 'sk-very-secret'

/** An embedder on the test's server that waits for nothing: retries take the middle of their random wait. */
export function openOn(
  server: EmbeddingServer,
  clock: InstantClock,
  options: Partial<OpenAiOptions> = {},
): Promise<Embedder> {
  const given = { engine: 'openai', baseUrl: server.baseUrl, model: 'm', apiKey, dimension: serverDimension }
  const parsed = embedderOptions.parse({ ...given, ...options })
  if (parsed.engine !== 'openai') throw new Error('expected the options of the openai engine')
  return createOpenAiEmbedder(parsed, {}, { clock, random: () => 0.5 })
}

/** What the embedder must make of the server's vector. */
export function unitVector(input: string): Float32Array {
  const values = serverVector(input)
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  return Float32Array.from(values, (value) => value / length)
}

export async function failureOf(promise: Promise<unknown>): Promise<EmbedderError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(EmbedderError)
  return error as EmbedderError
}

export function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `text number ${index}`)
}
