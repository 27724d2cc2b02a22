import type { Hit, Problem } from '../store.js'
import { findCollection } from './collection.js'
import { type PgConnection, quoteName, type Sql } from './connection.js'
import { fromText, fromVectorText } from './encoding.js'
import { chunkTable } from './schema.js'
import { searchDocuments } from './search.js'

const MAX_PROBLEMS = 1_000

/** The body of the transaction that removes waste. Tables of chunks are dropped whole, which gives their space back at once. */
export async function purgeWaste(sql: Sql, limit: number): Promise<number> {
  await sql.run(
    "UPDATE generations SET state = 'waste' WHERE state = 'building' AND written_at < now() - interval '1 day'",
  )
  for (;;) {
    const [waste] = await sql.rows<{ key: number }>(
      "SELECT key FROM generations WHERE state = 'waste' ORDER BY key LIMIT 1 FOR UPDATE",
    )
    if (waste === undefined) return purgeDropped(sql, limit)
    const contents = await sql.run(
      `DELETE FROM contents WHERE generation = $1 AND document IN
         (SELECT document FROM contents WHERE generation = $1 LIMIT $2)`,
      [waste.key, limit],
    )
    if (contents > 0) return contents
    await sql.run(`DROP TABLE IF EXISTS ${chunkTable(waste.key)}`)
    await sql.run('DELETE FROM generations WHERE key = $1', [waste.key])
  }
}

/** Documents of dropped collections. */
async function purgeDropped(sql: Sql, limit: number): Promise<number> {
  for (;;) {
    const [dropped] = await sql.rows<{ key: number }>(
      'SELECT key FROM collections WHERE NOT live ORDER BY key LIMIT 1 FOR UPDATE',
    )
    if (dropped === undefined) return 0
    const documents = await sql.run(
      'DELETE FROM documents WHERE key IN (SELECT key FROM documents WHERE collection = $1 LIMIT $2)',
      [dropped.key, limit],
    )
    if (documents > 0) return documents
    await sql.run('DELETE FROM collections WHERE key = $1', [dropped.key])
  }
}

/** A table per slice: VACUUM makes the room of deleted rows usable again, gives back what is at the table's end, and counts for the planner. */
export function createVacuum(connection: PgConnection, schema: string) {
  let waiting: string[] = []
  return async (signal: AbortSignal): Promise<{ readonly left: number }> => {
    if (waiting.length === 0) {
      const tables = await connection.read(
        (sql) =>
          sql.rows<{ name: string }>('SELECT tablename::text AS name FROM pg_tables WHERE schemaname = $1', [
            schema,
          ]),
        signal,
      )
      waiting = tables.map(({ name }) => name)
    }
    const next = waiting.shift()
    if (next !== undefined && (await exists(connection, schema, next, signal))) {
      await connection.alone(`VACUUM (ANALYZE) ${quoteName(schema)}.${quoteName(next)}`, signal)
    }
    return { left: waiting.length }
  }
}

/** It may have been purged since the list was made. */
async function exists(
  connection: PgConnection,
  schema: string,
  table: string,
  signal: AbortSignal,
): Promise<boolean> {
  const rows = await connection.read(
    (sql) => sql.rows('SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2', [schema, table]),
    signal,
  )
  return rows.length > 0
}

/** In bytes, indexes included. */
export async function sizeOf(sql: Sql, schema: string): Promise<number> {
  const [row] = await sql.rows<{ bytes: number }>(
    `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes FROM pg_class c
     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'S')`,
    [schema],
  )
  return row?.bytes ?? 0
}

/** Counts that do not add up, documents without a content, and chunks that belong to nothing. */
export async function inspectCollection(sql: Sql, name: string): Promise<readonly Problem[]> {
  const collection = await findCollection(sql, name)
  if (collection === null) return []
  const { key, current } = collection
  const table = chunkTable(current.key)
  const [counted] = await sql.rows<{ documents: number; chunks: number }>(
    `SELECT (SELECT count(*) FROM documents WHERE collection = $1) AS documents, (SELECT count(*) FROM ${table}) AS chunks`,
    [key],
  )
  const orphans = await sql.rows<{ document: number; n: number }>(
    `SELECT c.document, count(*) AS n FROM ${table} c WHERE NOT EXISTS (
       SELECT FROM contents e WHERE e.generation = $1 AND e.document = c.document
     ) GROUP BY c.document LIMIT ${MAX_PROBLEMS}`,
    [current.key],
  )
  const unreadable = await sql.rows<{ id: string; said: number | null; there: number }>(
    `SELECT d.id, e.chunks AS said, (SELECT count(*) FROM ${table} c WHERE c.document = d.key) AS there
     FROM documents d LEFT JOIN contents e ON e.generation = $2 AND e.document = d.key
     WHERE d.collection = $1 AND e.chunks IS DISTINCT FROM (SELECT count(*) FROM ${table} c WHERE c.document = d.key)
     LIMIT ${MAX_PROBLEMS}`,
    [key, current.key],
  )
  return [
    ...mismatch('documents', current.documents, counted?.documents ?? 0),
    ...mismatch('chunks', current.chunks, counted?.chunks ?? 0),
    ...orphans.map(({ document, n }) => ({
      id: null,
      code: 'ORPHAN_CHUNKS',
      detail: `${n} chunks belong to the document of the key ${document}, which is not there`,
    })),
    ...unreadable.map(({ id, said, there }) => ({
      id: fromText(id),
      code: 'UNREADABLE',
      detail:
        said === null ? 'its content is missing' : `it was stored with ${said} chunks, ${there} are there`,
    })),
  ].slice(0, MAX_PROBLEMS)
}

function mismatch(what: string, kept: number, counted: number): readonly Problem[] {
  if (kept === counted) return []
  const detail = `the collection says ${kept} ${what}, ${counted} are there`
  return [{ id: null, code: 'COUNT_MISMATCH', detail }]
}

/** Asks for stored vectors with and without the index, in one snapshot. null: there is nothing to ask for. */
export async function sampleRecall(
  sql: Sql,
  name: string,
  { vectors, k }: { readonly vectors: number; readonly k: number },
): Promise<number | null> {
  const collection = await findCollection(sql, name)
  if (collection === null) return null
  const table = chunkTable(collection.current.key)
  const sample = await sql.rows<{ embedding: string }>(
    `SELECT embedding::text AS embedding FROM ${table} ORDER BY random() LIMIT $1`,
    [vectors],
  )
  let wanted = 0
  let found = 0
  for (const { embedding } of sample) {
    const question = { collection: name, vector: fromVectorText(embedding), k, filter: null }
    const exact = await searchDocuments(sql, question, false)
    const indexed = await searchDocuments(sql, question, true)
    wanted += exact.length
    found += overlap(exact, indexed)
  }
  return wanted === 0 ? null : found / wanted
}

/** Of equal vectors one stands for the other: what counts is how near the answers are. */
function overlap(exact: readonly Hit[], indexed: readonly Hit[]): number {
  const worst = exact.at(-1)?.score ?? 0
  return Math.min(exact.length, indexed.filter(({ score }) => score >= worst - 1e-6).length)
}
