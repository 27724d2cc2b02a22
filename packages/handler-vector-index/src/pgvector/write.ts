import { facetsOf } from '../facets.js'
import type { BatchWrite, DocumentWrite, Mark, NewContent, WriteAnswer } from '../store.js'
import {
  addCounts,
  type Changes,
  type Collection,
  dropContents,
  findOrMakeCollection,
  putMark,
} from './collection.js'
import type { Sql } from './connection.js'
import { toText, toVectorText } from './encoding.js'
import { chunkTable } from './schema.js'

/** A row of `documents` as it is now. */
interface DocumentRow {
  readonly key: number
  readonly id: string
  readonly revision: number
}

/** The body of the write transaction. Rows are locked in the order of their ids: two batches with the same documents wait, and never for each other. */
export async function writeBatch(
  sql: Sql,
  batch: BatchWrite,
  mark: Mark<WriteAnswer> | undefined,
  indexed: boolean,
): Promise<WriteAnswer> {
  if (batch.documents.length === 0) return putMark(sql, mark, { stale: new Set() })
  const collection = await findOrMakeCollection(sql, batch, indexed)
  const { current } = collection
  if (current.embedder !== toText(batch.embedder) || current.dim !== batch.dim) {
    return putMark(sql, mark, { stale: new Set(batch.documents.map(({ id }) => id)) })
  }
  const stored = await lockDocuments(
    sql,
    collection.key,
    batch.documents.map(({ id }) => id),
    'UPDATE',
  )
  const fits = batch.documents.filter(({ id, seen }) => (stored.get(toText(id))?.revision ?? null) === seen)
  const old = fits.filter(({ seen }) => seen !== null)
  const inserted = await insertDocuments(
    sql,
    collection.key,
    fits.filter(({ seen }) => seen === null),
  )
  const updated = await updateDocuments(sql, old, stored)
  const written = [...inserted, ...updated]
  const stale = new Set(batch.documents.map(({ id }) => id))
  for (const { document } of written) stale.delete(document.id)
  await writeContents(sql, collection, written)
  return putMark(sql, mark, { stale })
}

/** By id as it is stored. */
export async function lockDocuments(
  sql: Sql,
  collection: number,
  ids: readonly string[],
  lock: 'UPDATE' | 'SHARE',
): Promise<ReadonlyMap<string, DocumentRow>> {
  const rows = await sql.rows<DocumentRow>(
    `SELECT key, id, revision FROM documents WHERE collection = $1 AND id = ANY($2::text[]) ORDER BY id FOR ${lock}`,
    [collection, ids.map(toText)],
  )
  return new Map(rows.map((row) => [row.id, row]))
}

interface Written {
  readonly document: DocumentWrite
  readonly key: number
  readonly revision: number
}

/** Those that another transaction inserted meanwhile are not answered. */
async function insertDocuments(
  sql: Sql,
  collection: number,
  documents: readonly DocumentWrite[],
): Promise<readonly Written[]> {
  if (documents.length === 0) return []
  const byId = new Map(documents.map((document) => [toText(document.id), document]))
  const rows = await sql.rows<DocumentRow>(
    `INSERT INTO documents (collection, id, source_id, version, revision, metadata, facets, updated_at)
     SELECT $1, u.id, u.source_id, u.version, nextval('revisions'), u.metadata::json,
       ARRAY(SELECT json_array_elements_text(u.facets::json)), now()
     FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) AS u (id, source_id, version, metadata, facets)
     ORDER BY u.id ON CONFLICT (collection, id) DO NOTHING RETURNING key, id, revision`,
    [collection, [...byId.keys()], ...columns([...byId.values()])],
  )
  return rows.flatMap(({ key, id, revision }) => {
    const document = byId.get(id)
    return document === undefined ? [] : [{ document, key, revision }]
  })
}

async function updateDocuments(
  sql: Sql,
  documents: readonly DocumentWrite[],
  stored: ReadonlyMap<string, DocumentRow>,
): Promise<readonly Written[]> {
  if (documents.length === 0) return []
  const byId = new Map(documents.map((document) => [toText(document.id), document]))
  const keys = [...byId.keys()].map((id) => stored.get(id)?.key)
  const rows = await sql.rows<DocumentRow>(
    `UPDATE documents d SET source_id = u.source_id, version = u.version, revision = nextval('revisions'),
       metadata = u.metadata::json, facets = ARRAY(SELECT json_array_elements_text(u.facets::json)), updated_at = now()
     FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS u (key, source_id, version, metadata, facets)
     WHERE d.key = u.key RETURNING d.key, d.id, d.revision`,
    [keys, ...columns([...byId.values()])],
  )
  return rows.flatMap(({ key, id, revision }) => {
    const document = byId.get(id)
    return document === undefined ? [] : [{ document, key, revision }]
  })
}

/** Source ids, versions, metadata, facets. */
function columns(documents: readonly DocumentWrite[]): readonly (readonly unknown[])[] {
  return [
    documents.map(({ sourceId }) => (sourceId === null ? null : toText(sourceId))),
    documents.map(({ version }) => version),
    documents.map(({ metadata }) => metadata),
    documents.map(({ metadata }) => JSON.stringify(facetsOf(metadata))),
  ]
}

/** A written document loses its copy in the generation that is being built: the copy was made from a revision that is gone. */
async function writeContents(
  sql: Sql,
  { current, building }: Collection,
  written: readonly Written[],
): Promise<void> {
  const keys = written.map(({ key }) => key)
  const contents = written.flatMap(({ document, key, revision }) =>
    document.content === null ? [] : [{ document: key, revision, content: document.content }],
  )
  const changes = await replaceContents(sql, current.key, contents)
  await addCounts(sql, current.key, changes)
  if (building !== null) await dropCopies(sql, building.key, keys)
}

export async function dropCopies(sql: Sql, generation: number, documents: readonly number[]): Promise<void> {
  const held = await dropContents(sql, generation, chunkTable(generation), documents)
  await addCounts(sql, generation, { documents: -held.documents, chunks: -held.chunks })
}

export interface ContentRow {
  /** Its key. */
  readonly document: number
  readonly revision: number
  readonly content: NewContent
}

export async function replaceContents(
  sql: Sql,
  generation: number,
  rows: readonly ContentRow[],
): Promise<Changes> {
  if (rows.length === 0) return { documents: 0, chunks: 0 }
  const table = chunkTable(generation)
  const held = await dropContents(
    sql,
    generation,
    table,
    rows.map(({ document }) => document),
  )
  await sql.run(
    `INSERT INTO contents (generation, document, revision, content_hash, joints, chunks)
     SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::int[])`,
    [
      generation,
      rows.map(({ document }) => document),
      rows.map(({ revision }) => revision),
      rows.map(({ content }) => toText(content.contentHash)),
      rows.map(({ content }) => (content.joints === null ? null : toText(content.joints))),
      rows.map(({ content }) => content.chunks.length),
    ],
  )
  const chunks = await insertChunks(sql, table, rows)
  return { documents: rows.length - held.documents, chunks: chunks - held.chunks }
}

/** Components of vectors that one statement carries: about 12 bytes each. */
const MAX_COMPONENTS = 500_000

async function insertChunks(sql: Sql, table: string, rows: readonly ContentRow[]): Promise<number> {
  let part: { document: number; ordinal: number; text: string | null; vector: Float32Array }[] = []
  let components = 0
  let count = 0
  const flush = async () => {
    count += await sql.run(
      `INSERT INTO ${table} (document, ordinal, text, embedding)
       SELECT u.document, u.ordinal, u.text, u.embedding::vector
       FROM unnest($1::bigint[], $2::int[], $3::text[], $4::text[]) AS u (document, ordinal, text, embedding)`,
      [
        part.map(({ document }) => document),
        part.map(({ ordinal }) => ordinal),
        part.map(({ text }) => (text === null ? null : toText(text))),
        part.map(({ vector }) => toVectorText(vector)),
      ],
    )
    part = []
    components = 0
  }
  for (const { document, content } of rows) {
    for (const [ordinal, { text, vector }] of content.chunks.entries()) {
      part.push({ document, ordinal, text, vector })
      components += vector.length
      if (components >= MAX_COMPONENTS) await flush()
    }
  }
  if (part.length > 0) await flush()
  return count
}
