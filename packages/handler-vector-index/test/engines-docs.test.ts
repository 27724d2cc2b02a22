import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { chunkTableSql, TABLES } from '../src/pgvector/schema.js'
import { contentOf, fieldsOf, type Payload } from '../src/qdrant/points.js'

const docs = await readFile(new URL('../docs/engines.md', import.meta.url), 'utf8')

test('the documented tables of PostgreSQL are those that are made', () => {
  expect(docs).toContain(TABLES.trim())
  expect(docs).toContain(chunkTableSql(1, 384).replaceAll('"', ''))
})

test('the documented payload of a Qdrant point is the one that is written', () => {
  const payload: Payload = {
    id: '',
    revision: 1,
    previous: null,
    stamp: 1,
    ...fieldsOf({ sourceId: null, version: null, metadata: '{}' }),
    ...contentOf({ contentHash: '', joints: null, chunks: [] }),
  }
  const section = docs.slice(
    docs.indexOf('Of its payload:'),
    docs.indexOf('A generation is a Qdrant collection'),
  )
  const rows = section.split('\n').filter((line) => line.startsWith('| `'))
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
  )
  expect(named.map(String).toSorted()).toEqual(Object.keys(payload).toSorted())
})
