import { expect, test } from 'vitest'
import { createSharedEmbedder, type EmbedderService, type EmbedderSource } from '../src/shared-embedder.js'
import { createWordEmbedder } from './word-embedder.js'

const OPTIONS = { engine: 'builtin' } as const
const { signal } = new AbortController()

function share(service: EmbedderService | undefined) {
  const own = createWordEmbedder()
  const sources: EmbedderSource[] = []
  const embedder = createSharedEmbedder(OPTIONS, { own, note: (source) => sources.push(source) })(service)
  return { own, sources, embedder }
}

const vector = Float32Array.of(1, 0)

function serviceWith(
  name: string | null,
  loadMs: number[],
): EmbedderService & { readonly embedded: string[] } {
  const embedded: string[] = []
  return {
    embedded,
    find: async () => name,
    describe: async () => ({ fingerprint: 'shared', dim: 2, loadMs: loadMs.shift() ?? 0 }),
    embed: async (model, texts) => {
      embedded.push(...texts.map((text) => `${model}: ${text}`))
      return texts.map(() => vector)
    },
  }
}

test('the service is used where it has an embedder with the same options, and its state is counted', async () => {
  const service = serviceWith('builtin', [40, 0])
  const { embedder, sources } = share(service)
  expect(await embedder.describe(signal)).toEqual({ fingerprint: 'shared', dim: 2 })
  await embedder.describe(signal)
  expect(await embedder.embed(['a'], signal)).toEqual([vector])
  expect([sources, service.embedded]).toEqual([['loaded', 'warm'], ['builtin: a']])
})

test('without such an embedder, or without the service, the own one is used', async () => {
  const none = share(serviceWith(null, []))
  expect(await none.embedder.describe(signal)).toEqual(await none.own.describe(signal))
  expect(none.sources).toEqual(['own'])
  expect(await none.embedder.embed(['a'], signal)).toHaveLength(1)
  const alone = share(undefined)
  expect(alone.embedder).toBe(alone.own)
})

test('what the service has is asked once, and again where nobody answered', async () => {
  const asked: string[] = []
  const answers = [new Error('not up yet'), null]
  const find = async () => {
    asked.push('find')
    const answer = answers.shift()
    if (answer instanceof Error) throw answer
    return 'builtin'
  }
  const { embedder } = share({ ...serviceWith('builtin', []), find })
  await expect(embedder.describe(signal)).rejects.toThrow('not up yet')
  await embedder.describe(signal)
  await embedder.embed(['a'], signal)
  expect(asked).toEqual(['find', 'find'])
})
