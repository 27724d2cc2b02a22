import type { ChunkOptions } from '../options.js'
import type {
  Chunk,
  CollectionInfo,
  DocumentContent,
  DocumentPage,
  ListedDocument,
  ListQuestion,
  StoredDocument,
} from '../store.js'
import { type Collection, findCollection } from './collection.js'
import { oneOf } from './condition.js'
import type { Sql } from './connection.js'
import { fromText, fromVectorText, toText } from './encoding.js'
import { chunkTable } from './schema.js'

const COLLECTION = `SELECT c.name, g.dim, g.embedder, g.chunk, g.number AS generation, g.documents AS count, g.chunks
  FROM collections c JOIN generations g ON g.collection = c.key AND g.state = 'current' WHERE c.live`

type CollectionRow = Omit<CollectionInfo, 'chunk'> & { readonly chunk: string | null }

export async function listCollections(sql: Sql): Promise<readonly CollectionInfo[]> {
  return (await sql.rows<CollectionRow>(`${COLLECTION} ORDER BY c.name COLLATE "C"`)).map(toInfo)
}

export async function describeCollection(sql: Sql, name: string): Promise<CollectionInfo | null> {
  const [row] = await sql.rows<CollectionRow>(`${COLLECTION} AND c.name = $1`, [name])
  return row === undefined ? null : toInfo(row)
}

function toInfo({ chunk, embedder, ...row }: CollectionRow): CollectionInfo {
  return {
    ...row,
    embedder: fromText(embedder),
    chunk: chunk === null ? null : (JSON.parse(chunk) as ChunkOptions),
  }
}

type DocumentRow = StoredDocument & {
  readonly key: number
  readonly id: string
  readonly joints: string | null
}

/** By the ids that were asked for. */
export async function lookup(
  sql: Sql,
  name: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredDocument>> {
  const collection = await findCollection(sql, name)
  if (collection === null) return new Map()
  const rows = await selectDocuments(sql, collection, ids)
  return new Map(rows.map(({ asked, row }) => [asked, toStored(row)]))
}

export async function readDocuments(
  sql: Sql,
  name: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DocumentContent>> {
  const collection = await findCollection(sql, name)
  if (collection === null) return new Map()
  const rows = await selectDocuments(sql, collection, ids)
  const chunks = await selectChunks(
    sql,
    collection.current.key,
    rows.map(({ row }) => row.key),
  )
  return new Map(
    rows.map(({ asked, row }) => [
      asked,
      {
        ...toStored(row),
        intact: true,
        joints: row.joints === null ? null : fromText(row.joints),
        chunks: chunks.get(row.key) ?? [],
      },
    ]),
  )
}

async function selectDocuments(
  sql: Sql,
  { key, current }: Collection,
  ids: readonly string[],
): Promise<readonly { readonly asked: string; readonly row: DocumentRow }[]> {
  const asked = new Map(ids.map((id) => [toText(id), id]))
  const rows = await sql.rows<DocumentRow>(
    `SELECT d.key, d.id, d.revision, d.source_id AS "sourceId", d.version, d.metadata, e.joints,
       e.content_hash AS "contentHash"
     FROM documents d JOIN contents e ON e.generation = $2 AND e.document = d.key
     WHERE d.collection = $1 AND d.id = ANY($3::text[])`,
    [key, current.key, [...asked.keys()]],
  )
  return rows.map((row) => ({ asked: asked.get(row.id) ?? fromText(row.id), row }))
}

function toStored({ revision, sourceId, version, contentHash, metadata }: DocumentRow): StoredDocument {
  return {
    revision,
    sourceId: sourceId === null ? null : fromText(sourceId),
    version,
    contentHash: fromText(contentHash),
    metadata,
  }
}

async function selectChunks(
  sql: Sql,
  generation: number,
  documents: readonly number[],
): Promise<ReadonlyMap<number, Chunk[]>> {
  const rows = await sql.rows<{ document: number; text: string | null; embedding: string }>(
    `SELECT document, text, embedding::text AS embedding FROM ${chunkTable(generation)}
     WHERE document = ANY($1::bigint[]) ORDER BY document, ordinal`,
    [documents],
  )
  const chunks = new Map<number, Chunk[]>(documents.map((key) => [key, []]))
  for (const { document, text, embedding } of rows) {
    chunks
      .get(document)
      ?.push({ text: text === null ? null : fromText(text), vector: fromVectorText(embedding) })
  }
  return chunks
}

/** Pages follow the keys of documents, which a document keeps as long as it is there. */
export async function listDocuments(sql: Sql, question: ListQuestion): Promise<DocumentPage> {
  const collection = await findCollection(sql, question.collection)
  if (collection === null) return { documents: [], next: null }
  const source =
    question.sourceIds === undefined
      ? { sql: 'TRUE', values: [] }
      : oneOf('d.source_id', question.sourceIds, 6)
  const missing = question.missingFrom === undefined ? 'TRUE' : MISSING
  const rows = await sql.rows<ListedDocument & { key: number }>(
    `SELECT d.key, d.id, d.source_id AS "sourceId", d.revision, e.content_hash AS "contentHash", e.chunks
     FROM documents d JOIN contents e ON e.generation = $2 AND e.document = d.key
     WHERE d.collection = $1 AND d.key > $3 AND ($5::int IS NULL OR ${missing}) AND ${source.sql}
     ORDER BY d.key LIMIT $4`,
    [
      collection.key,
      collection.current.key,
      Number(question.after ?? -1),
      question.limit,
      question.missingFrom ?? null,
      ...source.values,
    ],
  )
  const last = rows.at(-1)
  return {
    documents: rows.map(({ id, sourceId, revision, contentHash, chunks }) => ({
      id: fromText(id),
      sourceId: sourceId === null ? null : fromText(sourceId),
      revision,
      contentHash: fromText(contentHash),
      chunks,
    })),
    next: last !== undefined && rows.length === question.limit ? String(last.key) : null,
  }
}

/** Of documents `d` of collection $1: no copy of the present revision in its generation number $5. */
const MISSING = `NOT EXISTS (
  SELECT FROM generations g JOIN contents copy ON copy.generation = g.key
  WHERE g.collection = $1 AND g.number = $5 AND copy.document = d.key AND copy.revision = d.revision)`
