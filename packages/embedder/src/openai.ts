import { cutIntoBatches } from './batches.js'
import { systemClock } from './clock.js'
import { type Embedder, type EmbedOptions, refuseEmptyTexts } from './embedder.js'
import { EmbedderError } from './errors.js'
import { createSendBatch } from './openai-request.js'
import type { OpenAiOptions } from './options.js'
import { createRequestGate } from './request-gate.js'
import { retry, type RetryEnvironment } from './retry.js'

const probeText = 'dimension'
const systemEnvironment: RetryEnvironment = { clock: systemClock, random: Math.random }

type EmbedAll = (texts: readonly string[], signal: AbortSignal) => Promise<Float32Array[]>

/**
 * An embedder on an OpenAI-compatible server. Texts go in batches, several at a time, evenly spaced if a rate is
 * set; what may succeed later is tried again. A batch that fails for good stops the others of its call.
 *
 * Without `options.dimension` it embeds one short text first, and rejects like `embed` if that fails.
 */
export async function createOpenAiEmbedder(
  options: OpenAiOptions,
  { signal: openingSignal }: EmbedOptions = {},
  environment: RetryEnvironment = systemEnvironment,
): Promise<Embedder> {
  const embedWith = createEmbedAll(options, environment)
  const dimension = options.dimension ?? (await findDimension(embedWith(undefined), openingSignal))
  const embedAll = embedWith(dimension)
  const closing = new AbortController()
  const calls = new Set<Promise<unknown>>()
  return {
    fingerprint: {
      name: `openai/${options.model}`,
      version: options.modelVersion,
      dimension,
      assetHash: 'remote',
    },
    async embed(texts, { signal } = {}) {
      const callSignal = signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal])
      callSignal.throwIfAborted()
      refuseEmptyTexts(texts)
      const call = embedAll(texts, callSignal)
      calls.add(call)
      return call.finally(() => calls.delete(call))
    },
    async close() {
      closing.abort(
        new EmbedderError('EMBEDDER_CLOSED', 'expected an open embedder, got one that was closed'),
      )
      await Promise.allSettled(calls)
    },
  }
}

async function findDimension(embedAll: EmbedAll, signal: AbortSignal | undefined): Promise<number> {
  const [vector] = await embedAll([probeText], signal ?? new AbortController().signal)
  if (vector === undefined) throw new EmbedderError('RESPONSE_INVALID', 'expected one vector, got none')
  return vector.length
}

/** The gate is made once, so that overlapping calls share its limits. */
function createEmbedAll(options: OpenAiOptions, environment: RetryEnvironment) {
  const { clock } = environment
  const gate = createRequestGate(options, clock)
  const sendBatch = createSendBatch(options, () => clock.now())
  const limits = { texts: options.batchTexts, characters: options.batchCharacters }
  return (dimension: number | undefined): EmbedAll =>
    async (texts, signal) => {
      const vectors = await mapInLanes(
        cutIntoBatches(texts, limits),
        options.concurrency,
        signal,
        (batch, laneSignal) => {
          const attempt = () => gate(() => sendBatch(batch, dimension, laneSignal), laneSignal)
          return retry(attempt, options, environment, laneSignal)
        },
      )
      return vectors.flat()
    }
}

/**
 * Maps with at most so many items under way. The first failure aborts the rest, and is thrown when nothing of this
 * call runs any more.
 */
async function mapInLanes<Item, Result>(
  items: readonly Item[],
  laneCount: number,
  signal: AbortSignal,
  map: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const failing = new AbortController()
  const laneSignal = AbortSignal.any([signal, failing.signal])
  const results: Result[] = []
  const queue = items.entries()
  async function lane(): Promise<void> {
    // an iterator that all lanes share hands each item to one of them
    for (const [index, item] of queue) results[index] = await map(item, laneSignal)
  }
  const lanes = Array.from({ length: Math.min(laneCount, items.length) }, async () => {
    await lane().catch((error: unknown) => failing.abort(error))
  })
  await Promise.all(lanes)
  laneSignal.throwIfAborted()
  return results
}
