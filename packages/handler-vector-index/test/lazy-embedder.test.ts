import { EventEmitter, once } from 'node:events'
import type { Embedder } from '@mcp-worker/embedder'
import { expect, test } from 'vitest'
import { createLazyEmbedder } from '../src/lazy-embedder.js'
import { openIndex } from './index-harness.js'
import { createWordEmbedder } from './word-embedder.js'

test('a task that is cancelled while its embedder is opened ends at once, and the next one finds it opened', async () => {
  const index = await openIndex()
  const words = createWordEmbedder()
  const events = new EventEmitter()
  const opened: Embedder = {
    fingerprint: { name: 'words', version: '1', dimension: 16, assetHash: 'none' },
    embed: async (texts) => [...(await words.embed(texts, new AbortController().signal))],
  }
  let openings = 0
  const lazy = createLazyEmbedder({ engine: 'builtin' }, async () => {
    openings += 1
    events.emit('asked')
    await once(events, 'opened')
    return opened
  })
  const embedder = { ...words, ...lazy }
  const controller = new AbortController()
  const asked = once(events, 'asked')
  const run = index.run({ documents: ['a text'] }, { embedder, signal: controller.signal })
  await asked
  controller.abort(new Error('cancelled'))
  await expect(run).rejects.toThrow('cancelled')
  events.emit('opened')
  expect(await index.run({ documents: ['a text'] }, { embedder })).toMatchObject({ inserted: 1 })
  expect(openings).toBe(1)
})
