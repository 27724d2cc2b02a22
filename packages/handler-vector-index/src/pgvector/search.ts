import { NonRetryableError } from '@mcp-worker/runtime'
import type { Hit, SearchQuestion } from '../store.js'
import { type Collection, mustFindCollection } from './collection.js'
import { filterCondition } from './condition.js'
import type { Sql } from './connection.js'
import { fromText, toVectorText } from './encoding.js'
import { chunkTable } from './schema.js'

/** Runs within a snapshot: the generation that it finds is whole until the end. */
export async function searchDocuments(
  sql: Sql,
  question: SearchQuestion,
  indexed: boolean,
): Promise<readonly Hit[]> {
  const collection = await mustFindCollection(sql, question.collection)
  const { dim } = collection.current
  if (dim !== question.vector.length) {
    throw new NonRetryableError(
      `collection "${question.collection}" has vectors of ${dim} components, the question has ${question.vector.length}`,
      { code: 'DIM_MISMATCH' },
    )
  }
  return indexed ? searchIndex(sql, collection, question) : compareAll(sql, collection, question)
}

interface HitRow {
  readonly key: number
  readonly id: string
  readonly score: number
  readonly text: string | null
  readonly metadata: string
}

/** Equal scores in the order of documents, so that the same question has the same answer. */
async function compareAll(
  sql: Sql,
  { current, key }: Collection,
  question: SearchQuestion,
): Promise<readonly Hit[]> {
  const table = chunkTable(current.key)
  const filter = question.filter === null ? null : filterCondition(question.filter, 4)
  const wanted =
    filter === null
      ? 'TRUE'
      : `c.document IN (SELECT d.key FROM documents d WHERE d.collection = $3 AND ${filter.sql})`
  const rows = await sql.rows<HitRow>(
    `WITH best AS (
       SELECT c.document, max(-(c.embedding <#> $1::vector)) AS score FROM ${table} c
       WHERE ($3::bigint IS NOT NULL) AND ${wanted} GROUP BY c.document ORDER BY score DESC, c.document LIMIT $2
     )
     SELECT d.key, d.id, best.score, near.text, d.metadata FROM best JOIN documents d ON d.key = best.document,
     LATERAL (
       SELECT c.text FROM ${table} c WHERE c.document = best.document ORDER BY c.embedding <#> $1::vector, c.ordinal LIMIT 1
     ) near
     ORDER BY best.score DESC, best.document`,
    [toVectorText(question.vector), question.k, key, ...(filter?.values ?? [])],
  )
  return rows.map(toHit)
}

/** hnsw.ef_search may be at most 1,000. */
const MAX_CANDIDATES = 1000

/** Chunks come nearest first; more are asked for until they belong to `k` documents or there are no more. */
async function searchIndex(
  sql: Sql,
  { current, key }: Collection,
  question: SearchQuestion,
): Promise<readonly Hit[]> {
  const filter = question.filter === null ? null : filterCondition(question.filter, 4)
  await sql.run('SET LOCAL hnsw.iterative_scan = strict_order')
  let best: HitRow[] = []
  for (let limit = Math.max(40, question.k * 4); ; limit *= 4) {
    await sql.run(`SET LOCAL hnsw.ef_search = ${Math.min(MAX_CANDIDATES, Math.max(100, limit))}`)
    const rows = await sql.rows<HitRow>(
      `SELECT d.key, d.id, -(c.embedding <#> $1::vector) AS score, c.text, d.metadata
       FROM ${chunkTable(current.key)} c JOIN documents d ON d.key = c.document
       WHERE d.collection = $3 AND ${filter?.sql ?? 'TRUE'} ORDER BY c.embedding <#> $1::vector LIMIT $2`,
      [toVectorText(question.vector), limit, key, ...(filter?.values ?? [])],
    )
    best = firstPerDocument(rows).slice(0, question.k)
    if (best.length === question.k || rows.length < limit) return best.map(toHit)
  }
}

function firstPerDocument(rows: readonly HitRow[]): HitRow[] {
  const seen = new Set<number>()
  return rows.filter(({ key }) => !seen.has(key) && seen.add(key))
}

function toHit({ id, score, text, metadata }: HitRow): Hit {
  return { id: fromText(id), score, text: text === null ? null : fromText(text), metadata }
}
