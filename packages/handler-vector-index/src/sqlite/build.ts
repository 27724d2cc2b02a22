import type { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'
import type { Build, BuildWrite, GenerationSpec, WriteAnswer } from '../store.js'
import type { DocumentFields, DocumentRows } from './document-rows.js'
import { createCounts, type Generation, type Generations } from './generations.js'
import { numberIn, numberOrNullIn, type Row, textIn, textOrNullIn } from './rows.js'

interface Tables {
  readonly generations: Generations
  readonly rows: DocumentRows
}

/**
 * The bodies of the transactions around a generation that is being built. A copy is dropped in the transaction that changes or deletes its
 * original (write.ts, remove.ts), so what is there is current, and as many copies as documents means: all.
 */
export function createBuild(db: DatabaseSync, { generations, rows }: Tables) {
  const original = db.prepare(
    'SELECT source_id, version, revision, metadata FROM documents WHERE generation = ? AND id = ? AND revision = ?',
  )
  return {
    build(spec: GenerationSpec): Build {
      if (generations.current(spec.collection) === null) throw collectionNotFound(spec.collection)
      const building = generations.building(spec.collection)
      if (building !== null && isSame(building, spec))
        return { generation: building.number, count: building.documents }
      if (building !== null) generations.setState(building.key, 'waste')
      return { generation: generations.begin(spec, 'building').number, count: 0 }
    },
    write({ collection, generation, documents }: BuildWrite): WriteAnswer & { readonly gone: boolean } {
      const current = generations.current(collection)
      const building = generations.building(collection)
      if (current === null || building?.number !== generation) return { stale: new Set(), gone: true }
      const stale = new Set<string>()
      const counts = createCounts()
      for (const document of documents) {
        const row = original.get(current.key, document.id, document.seen)
        if (row === undefined) {
          stale.add(document.id)
          continue
        }
        rows.dropById(building.key, document.id, counts)
        rows.insert(building.key, fieldsOf(document.id, row), document, counts)
      }
      generations.count(building.key, counts)
      return { stale, gone: false }
    },
    promote: (collection: string, generation: number) => promote(generations, collection, generation),
  }
}

function promote(
  generations: Generations,
  collection: string,
  generation: number,
): 'promoted' | 'incomplete' | 'gone' {
  const current = generations.current(collection)
  const building = generations.building(collection)
  if (current?.number === generation) return 'promoted'
  if (current === null || building?.number !== generation) return 'gone'
  if (building.documents !== current.documents) return 'incomplete'
  generations.setState(current.key, 'waste')
  generations.setState(building.key, 'current')
  return 'promoted'
}

/** What a copy has of its original. */
function fieldsOf(id: string, row: Row): DocumentFields {
  return {
    id,
    sourceId: textOrNullIn(row, 'source_id'),
    version: numberOrNullIn(row, 'version'),
    revision: numberIn(row, 'revision'),
    metadata: textIn(row, 'metadata'),
  }
}

function isSame(building: Generation, { embedder, dim, chunk }: GenerationSpec): boolean {
  return (
    building.embedder === embedder &&
    building.dim === dim &&
    building.chunk?.size === chunk?.size &&
    building.chunk?.overlap === chunk?.overlap
  )
}

export function collectionNotFound(collection: string): NonRetryableError {
  return new NonRetryableError(`there is no collection "${collection}": index documents into it first`, {
    code: 'COLLECTION_NOT_FOUND',
  })
}
