import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startIndexer } from './indexer-process.js'
import { tempFolder } from './temp-folder.js'

/** Indexes `count` documents of 4 KB from a file, and answers the most memory that the process held, in bytes. */
async function memoryToIndex(operation: 'upsert' | 'sync', count: number): Promise<number> {
  const folder = await tempFolder()
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify({ id: `d${i}`, vector: [1, 2, i], text: 'x'.repeat(4000) }),
  )
  await writeFile(join(folder, 'docs.jsonl'), lines.join('\n'))
  // a heap that does not hold the documents, and that does not grow for want of a reason to collect
  const flags = ['--max-old-space-size=48', '--max-semi-space-size=4']
  const indexer = startIndexer({ folder, payload: { operation, documents_ref: 'docs.jsonl' }, flags })
  expect(await indexer.exit).toEqual({ code: 0, errors: '' })
  const last = (await indexer.lines).at(-1)
  expect(last?.result).toMatchObject({ inserted: count })
  return last?.maxRssBytes ?? Number.POSITIVE_INFINITY
}

test.for(['upsert', 'sync'] as const)(
  'the memory of %s does not depend on the size of documents_ref',
  { timeout: 60_000 },
  async (operation) => {
    const small = await memoryToIndex(operation, 2_000)
    const large = await memoryToIndex(operation, 22_000)
    // 80 MB more of documents
    expect(large - small).toBeLessThan(40 * 1024 * 1024)
  },
)
