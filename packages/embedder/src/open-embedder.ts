import { z } from 'zod'
import { createBuiltinEmbedder } from './builtin.js'
import type { Embedder, EmbedOptions } from './embedder.js'
import { EmbedderError } from './errors.js'
import { createOpenAiEmbedder } from './openai.js'
import { embedderOptions, type EmbedderOptions } from './options.js'

/**
 * Opens the embedder that the options describe; without options, the built-in one.
 *
 * Rejects with `OPTIONS_INVALID` and all problems at once. `engine: 'openai'` without `dimension` asks the server
 * for one vector and rejects as `embed` would; the signal is for that request.
 */
export async function openEmbedder(options?: EmbedderOptions, opening: EmbedOptions = {}): Promise<Embedder> {
  const parsed = embedderOptions.safeParse(options)
  if (!parsed.success) {
    const problems = z.prettifyError(parsed.error)
    throw new EmbedderError('OPTIONS_INVALID', `expected the options of an embedder, got\n${problems}\n`)
  }
  return parsed.data.engine === 'builtin'
    ? createBuiltinEmbedder()
    : createOpenAiEmbedder(parsed.data, opening)
}
