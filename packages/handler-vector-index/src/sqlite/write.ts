import type { BatchWrite, DocumentWrite, WriteAnswer } from '../store.js'
import type { DocumentRows } from './document-rows.js'
import { type Counts, createCounts, type Generation, type Generations } from './generations.js'

interface Tables {
  readonly generations: Generations
  readonly rows: DocumentRows
}

/** The body of the transaction that writes a batch. */
export function createWrite({ generations, rows }: Tables): (batch: BatchWrite) => WriteAnswer {
  return (batch) => {
    const generation = generations.current(batch.collection) ?? generations.begin(batch, 'current')
    // vectors that cannot be compared with those that are there
    if (generation.embedder !== batch.embedder || generation.dim !== batch.dim) {
      return { stale: new Set(batch.documents.map(({ id }) => id)) }
    }
    const building = generations.building(batch.collection)
    const counts = createCounts()
    const lost = createCounts()
    const stale = new Set<string>()
    const last = generations.takeRevisions(generation.collection, batch.documents.length)
    batch.documents.forEach((document, i) => {
      const revision = last - batch.documents.length + 1 + i
      if (!writeDocument(rows, { generation, document, revision, counts })) stale.add(document.id)
      else if (building !== null) rows.dropById(building.key, document.id, lost)
    })
    generations.count(generation.key, counts)
    if (lost.documents < 0 && building !== null) generations.count(building.key, lost)
    return { stale }
  }
}

interface OneWrite {
  readonly generation: Generation
  readonly document: DocumentWrite
  readonly revision: number
  readonly counts: Counts
}

/** false: somebody else wrote it since it was looked up. */
function writeDocument(rows: DocumentRows, { generation, document, revision, counts }: OneWrite): boolean {
  const stored = rows.find(generation.key, document.id)
  if ((stored?.revision ?? null) !== document.seen) return false
  const fields = { ...document, revision }
  if (document.content === null) {
    if (stored !== null) rows.touch(stored.key, fields)
    return true
  }
  if (stored !== null) rows.drop(generation.key, stored.key, counts)
  rows.insert(generation.key, fields, document.content, counts)
  return true
}
