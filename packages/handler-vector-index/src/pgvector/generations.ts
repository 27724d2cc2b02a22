import type { Build, BuildWrite, GenerationSpec, Mark, RemoveAnswer, WriteAnswer } from '../store.js'
import {
  addCounts,
  findCollection,
  type Generation,
  makeGeneration,
  mustFindCollection,
  putMark,
} from './collection.js'
import type { Sql } from './connection.js'
import { toText } from './encoding.js'
import { lockDocuments, replaceContents } from './write.js'

export async function beginBuild(sql: Sql, spec: GenerationSpec, indexed: boolean): Promise<Build> {
  const { key, building } = await mustFindCollection(sql, spec.collection, 'UPDATE')
  if (building !== null && isOf(building, spec)) {
    await addCounts(sql, building.key, { documents: 0, chunks: 0 })
    return { generation: building.number, count: building.documents }
  }
  if (building !== null)
    await sql.run("UPDATE generations SET state = 'waste' WHERE key = $1", [building.key])
  const made = await makeGeneration(sql, key, spec, 'building', indexed)
  return { generation: made.number, count: 0 }
}

function isOf({ embedder, dim, chunk }: Generation, spec: GenerationSpec): boolean {
  const same = chunk === (spec.chunk === null ? null : JSON.stringify(spec.chunk))
  return embedder === toText(spec.embedder) && dim === spec.dim && same
}

export async function writeCopies(
  sql: Sql,
  batch: BuildWrite,
): Promise<WriteAnswer & { readonly gone: boolean }> {
  const collection = await findCollection(sql, batch.collection, 'SHARE')
  const building = collection?.building
  if (collection === null || building?.number !== batch.generation) return { stale: new Set(), gone: true }
  // locked for update, so that two who build the same generation take turns
  const ids = batch.documents.map(({ id }) => id)
  const stored = await lockDocuments(sql, collection.key, ids, 'UPDATE')
  const stale = new Set<string>()
  const rows = batch.documents.flatMap(({ id, seen, ...content }) => {
    const original = stored.get(toText(id))
    if (original?.revision === seen) return [{ document: original.key, revision: seen, content }]
    stale.add(id)
    return []
  })
  await addCounts(sql, building.key, await replaceContents(sql, building.key, rows))
  return { stale, gone: false }
}

export async function promoteBuild(
  sql: Sql,
  name: string,
  generation: number,
): Promise<'promoted' | 'incomplete' | 'gone'> {
  const collection = await findCollection(sql, name, 'UPDATE')
  if (collection?.current.number === generation) return 'promoted'
  if (collection?.building?.number !== generation) return 'gone'
  const [missing] = await sql.rows(
    `SELECT 1 FROM documents d WHERE d.collection = $1 AND NOT EXISTS (
       SELECT FROM contents copy WHERE copy.generation = $2 AND copy.document = d.key AND copy.revision = d.revision
     ) LIMIT 1`,
    [collection.key, collection.building.key],
  )
  if (missing !== undefined) return 'incomplete'
  await sql.run("UPDATE generations SET state = 'waste' WHERE key = $1", [collection.current.key])
  await sql.run("UPDATE generations SET state = 'current' WHERE key = $1", [collection.building.key])
  return 'promoted'
}

export async function dropCollection(
  sql: Sql,
  name: string,
  mark: Mark<RemoveAnswer> | undefined,
): Promise<RemoveAnswer> {
  const collection = await findCollection(sql, name, 'UPDATE')
  if (collection === null) return putMark(sql, mark, { documents: 0, chunks: 0 })
  await sql.run('UPDATE collections SET live = false WHERE key = $1', [collection.key])
  await sql.run("UPDATE generations SET state = 'waste' WHERE collection = $1", [collection.key])
  const { documents, chunks } = collection.current
  return putMark(sql, mark, { documents, chunks })
}
