import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { payloadSchema } from '../src/payload.js'
import { startInlineWorker } from './inline-worker.js'

const example = (name: string) => readFile(new URL(`../../../examples/${name}`, import.meta.url), 'utf8')

test('the example documents fit a payload, and every example search finds its document first', async () => {
  const worker = await startInlineWorker()
  const task = await worker.submit(
    'vector_index',
    payloadSchema.parse(JSON.parse(await example('docs.json'))),
  )
  expect(await task.result()).toMatchObject({ inserted: 400, failed_count: 0, collection: { count: 400 } })
  const searches = JSON.parse(await example('searches.json')) as { text: string; finds: string }[]
  const found: { text: string; finds: string | undefined }[] = []
  for (const { text } of searches) {
    const { hits } = await worker.query('vector_search', { collection: 'fiori-docs', text, k: 1 })
    found.push({ text, finds: hits[0]?.id })
  }
  expect(found).toEqual(searches)
})
