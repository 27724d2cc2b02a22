import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { metadataText } from '../src/identity.js'
import { wellFormed } from '../src/well-formed.js'
import { openIndex } from './index-harness.js'

/** As a program leaves it that cuts texts after so many code units. */
const half = 'a bread emoji cut in its middle \ud83c'
const document = { id: half, source_id: half, text: half, metadata: { [half]: half } }

test('half surrogate pairs become U+FFFD, whole ones stay', () => {
  expect(wellFormed('\ud83c \udf5e \ud83c\udf5e')).toBe('\ufffd \ufffd \ud83c\udf5e')
})

test('half pairs in metadata become U+FFFD, and what only looks like their escape stays', () => {
  const metadata = { '\udf5e': ['\ud83c', '\\ud83c', '\\\\\ud83c"', '\ud83c\udf5e'] }
  expect(JSON.parse(metadataText(metadata))).toEqual({
    '\ufffd': ['\ufffd', '\\ud83c', '\\\\\ufffd"', '\ud83c\udf5e'],
  })
})

test('a document with half surrogate pairs is unchanged when it comes again, and verify finds nothing wrong', async () => {
  const index = await openIndex()
  expect(await index.run({ documents: [document] })).toMatchObject({ inserted: 1 })
  expect(await index.run({ documents: [document] })).toMatchObject({ updated: 0, unchanged: 1 })
  const { verified } = await index.run({ operation: 'verify' })
  expect(verified).toMatchObject({ checked: 1, problem_count: 0 })
})

test.for([{ ids: [half] }, { source_ids: [half] }, { filter: { [half]: half } }])(
  'a document with half surrogate pairs is deleted by what it was given: %j',
  async (target) => {
    const index = await openIndex()
    await index.run({ documents: [document] })
    expect(await index.run({ operation: 'delete', ...target })).toMatchObject({ deleted: 1 })
    expect((await index.search({ text: half })).hits).toEqual([])
  },
)

test('a sync keeps the documents with half surrogate pairs that its source holds', async () => {
  const index = await openIndex()
  await writeFile(join(index.folder, 'all.jsonl'), JSON.stringify(document))
  for (const source of [{ documents: [document] }, { documents_ref: 'all.jsonl', source_ids: [half] }]) {
    expect(await index.run({ operation: 'sync', ...source })).toMatchObject({ deleted: 0, failed_count: 0 })
    expect((await index.search({ text: half, filter: { [half]: half } })).hits).toHaveLength(1)
  }
})
