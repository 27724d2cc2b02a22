import { NonRetryableError } from '@mcp-worker/runtime'
import type { ChunkOptions } from '../options.js'
import type { Sql } from './connection.js'
import { toText } from './encoding.js'
import { chunkIndexSql, chunkTableSql } from './schema.js'

/** A row of `generations`. */
export interface Generation {
  readonly key: number
  readonly number: number
  readonly dim: number
  readonly embedder: string
  /** JSON text. */
  readonly chunk: string | null
  readonly documents: number
  readonly chunks: number
}

export interface Collection {
  readonly key: number
  readonly current: Generation
  readonly building: Generation | null
}

/** `SHARE`: for writers of documents, any number at once. `UPDATE`: for what changes which generation is current; waits for the writers. */
export type CollectionLock = 'SHARE' | 'UPDATE'

/** null: there is no such collection. With a lock nothing but this transaction changes its generations until the end. */
export async function findCollection(
  sql: Sql,
  name: string,
  lock: CollectionLock | null = null,
): Promise<Collection | null> {
  // the generations in a statement of its own: it sees what was committed while the first one waited for the lock
  const [found] = await sql.rows<{ key: number }>(
    `SELECT key FROM collections WHERE name = $1 AND live ${lock === null ? '' : `FOR ${lock}`}`,
    [name],
  )
  if (found === undefined) return null
  const generations = await sql.rows<Generation & { state: string }>(
    `SELECT key, number, state, dim, embedder, chunk, documents, chunks FROM generations
     WHERE collection = $1 AND state <> 'waste'`,
    [found.key],
  )
  const current = generations.find(({ state }) => state === 'current')
  if (current === undefined) return null
  return { key: found.key, current, building: generations.find(({ state }) => state === 'building') ?? null }
}

/** As `findCollection`. Throws `COLLECTION_NOT_FOUND`. */
export async function mustFindCollection(
  sql: Sql,
  name: string,
  lock: CollectionLock | null = null,
): Promise<Collection> {
  const collection = await findCollection(sql, name, lock)
  if (collection !== null) return collection
  throw new NonRetryableError(`there is no collection "${name}": index documents into it first`, {
    code: 'COLLECTION_NOT_FOUND',
  })
}

export interface NewGeneration {
  readonly collection: string
  readonly embedder: string
  readonly dim: number
  readonly chunk: ChunkOptions | null
}

/** Whoever comes second finds the collection of the first. The lock is the writers' one. */
export async function findOrMakeCollection(
  sql: Sql,
  spec: NewGeneration,
  indexed: boolean,
): Promise<Collection> {
  const found = await findCollection(sql, spec.collection, 'SHARE')
  if (found !== null) return found
  await sql.run("SELECT pg_advisory_xact_lock(hashtext('mcp-worker collection'), hashtext($1))", [
    spec.collection,
  ])
  const made = await findCollection(sql, spec.collection, 'SHARE')
  if (made !== null) return made
  const [row] = await sql.rows<{ key: number }>('INSERT INTO collections (name) VALUES ($1) RETURNING key', [
    spec.collection,
  ])
  const key = row?.key ?? -1
  return { key, current: await makeGeneration(sql, key, spec, 'current', indexed), building: null }
}

/** The table of its chunks, and its row. A number is never used again for the name. */
export async function makeGeneration(
  sql: Sql,
  collection: number,
  spec: NewGeneration,
  state: 'current' | 'building',
  indexed: boolean,
): Promise<Generation> {
  const [last] = await sql.rows<{ number: number }>(
    `INSERT INTO names AS n (name, last_generation) VALUES ($1, 1)
     ON CONFLICT (name) DO UPDATE SET last_generation = n.last_generation + 1 RETURNING last_generation AS number`,
    [spec.collection],
  )
  const chunk = spec.chunk === null ? null : JSON.stringify(spec.chunk)
  const [made] = await sql.rows<Generation>(
    `INSERT INTO generations (collection, number, state, dim, embedder, chunk) VALUES ($1, $2, $3, $4, $5, $6)
     RETURNING key, number, dim, embedder, chunk, documents, chunks`,
    [collection, last?.number, state, spec.dim, toText(spec.embedder), chunk],
  )
  if (made === undefined) throw new Error('INSERT … RETURNING answered no row')
  await sql.run(chunkTableSql(made.key, made.dim))
  if (indexed) await sql.run(chunkIndexSql(made.key))
  return made
}

/** What one transaction did to a generation, for its counts. */
export interface Changes {
  documents: number
  chunks: number
}

export async function addCounts(sql: Sql, generation: number, { documents, chunks }: Changes): Promise<void> {
  await sql.run(
    'UPDATE generations SET documents = documents + $2, chunks = chunks + $3, written_at = now() WHERE key = $1',
    [generation, documents, chunks],
  )
}

/** Removes the content of these documents from a generation. Answers what it held. */
export async function dropContents(
  sql: Sql,
  generation: number,
  table: string,
  documents: readonly number[],
): Promise<Changes> {
  const chunks = await sql.run(`DELETE FROM ${table} WHERE document = ANY($1::bigint[])`, [documents])
  const contents = await sql.run(
    'DELETE FROM contents WHERE generation = $1 AND document = ANY($2::bigint[])',
    [generation, documents],
  )
  return { documents: contents, chunks }
}

/** Kept with the effect, in its transaction. */
export async function putMark<Answer>(
  sql: Sql,
  mark: { readonly task: string; readonly value: (answer: Answer) => string } | undefined,
  answer: Answer,
): Promise<Answer> {
  if (mark !== undefined) {
    await sql.run(
      `INSERT INTO marks (task, value, written_at) VALUES ($1, $2, now())
       ON CONFLICT (task) DO UPDATE SET value = excluded.value, written_at = excluded.written_at`,
      [mark.task, toText(mark.value(answer))],
    )
  }
  return answer
}
