import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { getLoadablePath } from 'sqlite-vec'
import { expect, onTestFinished, test } from 'vitest'
import { joinTexts } from '../../src/chunk.js'
import { toBlob } from '../../src/vector.js'
import { openIndex, words } from '../index-harness.js'

/** The blocks of docs/store.md in this language. */
async function blocksIn(language: string): Promise<string[]> {
  const docs = await readFile(new URL('../../docs/store.md', import.meta.url), 'utf8')
  return [...docs.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, 'g'))].map(
    ([, code]) => code ?? '',
  )
}

/** A file with a reindex behind it and a dropped collection in it, so that it has waste. */
async function openFilled() {
  const index = await openIndex()
  const documents = Array.from({ length: 30 }, (_, i) => ({
    id: `d${i}`,
    text: words(`w${i}n`, 3 + i),
    metadata: { n: i },
  }))
  await index.run({ documents })
  await index.run({ documents, collection: 'other' })
  const { signal } = new AbortController()
  await index.store.drop('other', { signal })
  await index.run({ operation: 'reindex', chunk: { size: 150, overlap: 30 } })
  await index.run({ documents, collection: 'other' })
  await index.store.drop('other', { signal })
  await index.store.build({ collection: 'documents', embedder: 'next', dim: 2, chunk: null }, { signal })
  return { index, documents }
}

test("the documented query with sqlite-vec's functions finds what a search finds", async () => {
  const { index } = await openFilled()
  const db = new DatabaseSync(index.path, { readOnly: true, allowExtension: true })
  onTestFinished(() => db.close())
  db.loadExtension(getLoadablePath())
  const query = db.prepare((await blocksIn('sql'))[1] ?? '')
  for (const text of ['w3n0 w3n1', 'w29n5', 'nothing of it']) {
    const [vector = new Float32Array()] = await index.embedder.embed([text], new AbortController().signal)
    const { hits } = await index.search({ text, k: 10 })
    const rows = query.all({ question: toBlob(vector) })
    expect(rows.map((row) => [row['id'], JSON.parse(String(row['metadata']))])).toEqual(
      hits.map(({ id, metadata }) => [id, metadata]),
    )
    expect(rows.map((row) => row['score'])).toEqual(hits.map(({ score }) => expect.closeTo(score, 4)))
  }
})

test('the whole text can be put together from the chunks and joints of the file', async () => {
  const { index, documents } = await openFilled()
  const db = new DatabaseSync(index.path, { readOnly: true })
  onTestFinished(() => db.close())
  const rows = db.prepare(
    `SELECT d.id, d.joints, json_group_array(c.text ORDER BY c.ordinal) AS texts FROM documents d
     JOIN generations g ON g.key = d.generation AND g.state = 'current' JOIN chunks c ON c.document = d.key GROUP BY d.key`,
  )
  const texts = rows
    .all()
    .map((row) => [row['id'], joinTexts(JSON.parse(String(row['texts'])) as string[], String(row['joints']))])
  expect(Object.fromEntries(texts)).toEqual(Object.fromEntries(documents.map(({ id, text }) => [id, text])))
})

const run = promisify(execFile)
const hasNumpy = await run('python3', ['-c', 'import numpy, sqlite3']).then(
  () => true,
  () => false,
)

test.skipIf(!hasNumpy)('the documented Python finds what a search finds', async () => {
  const { index } = await openFilled()
  const text = 'w7n1 w7n2'
  const [vector = new Float32Array()] = await index.embedder.embed([text], new AbortController().signal)
  const program = `question = __import__('numpy').array(${JSON.stringify([...vector])})\n${(await blocksIn('python')).join('\n')}`
  const { stdout } = await run('python3', ['-c', program], { cwd: join(index.path, '..') })
  const { hits } = await index.search({ text, k: 1 })
  expect(stdout.split(' ')[0]).toBe(hits[0]?.id)
})
