import { setImmediate } from 'node:timers/promises'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { removeBatch, slices } from './delete.js'
import type { DocumentSource } from './documents.js'
import { type Checkpoint, type Journal, openJournal } from './journal.js'
import type { SyncPayload, VectorIndexResult } from './payload.js'
import { type FailedDocument, identifyEntry, type PreparedDocument } from './prepare.js'
import { createProgress } from './progress.js'
import { createSeenIds, type SeenIds } from './seen-ids.js'
import type { ListedDocument } from './store.js'
import { resultOf, type TaskContext } from './task-context.js'
import { writeAll } from './upsert.js'
import type { IndexDeps } from './write-batch.js'

/**
 * `sync`: the collection, or the part of it that comes from `source_ids`, becomes what the source holds. First everything is written as by an upsert, then what
 * is stored and not in the source is deleted. A document that the source has and that failed is not deleted. Throws `EMPTY_SYNC`.
 */
export async function syncDocuments(
  payload: SyncPayload,
  source: DocumentSource,
  deps: IndexDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  const journal = await openJournal(payload, { store: deps.store, context, source: source.identity })
  const check = scopeCheck(payload)
  const seen = createSeenIds()
  try {
    const checkpoint = await writeAll(payload, source, { deps, context, journal, check })
    const unidentified = await readIds(source, seen, context.signal)
    const warnings = unidentified > 0 ? ['DELETES_SKIPPED' as const] : []
    const around = { payload, deps, context, journal, checkpoint }
    if (unidentified === 0) await deleteRest(seen, around)
    await journal.end()
    const collection = await deps.store.describe(payload.collection)
    return resultOf(payload, checkpoint.tally, collection, { warnings })
  } finally {
    seen.close()
  }
}

function scopeCheck({
  source_ids,
}: SyncPayload): (document: PreparedDocument) => PreparedDocument | FailedDocument {
  if (source_ids === undefined) return (document) => document
  const scope = new Set(source_ids)
  return (document) =>
    document.sourceId !== null && scope.has(document.sourceId)
      ? document
      : { id: document.id, code: 'OUT_OF_SCOPE' }
}

const IDS_AT_ONCE = 1000

/** The source is read a second time: a retried task has not seen what its first delivery did. Answers how many entries have no readable id. */
async function readIds(source: DocumentSource, seen: SeenIds, signal: AbortSignal): Promise<number> {
  let unidentified = 0
  let ids: string[] = []
  for await (const entry of source.entries(0)) {
    const id = identifyEntry(entry)
    if (id === null) unidentified++
    else ids.push(id)
    if (ids.length < IDS_AT_ONCE) continue
    seen.add(ids)
    ids = []
    await setImmediate()
    signal.throwIfAborted()
  }
  seen.add(ids)
  if (await source.isUnchanged()) return unidentified
  throw new RetryableError('the file of documents_ref changed while it was read', {
    code: 'DOCUMENTS_REF_CHANGED',
  })
}

interface Around {
  readonly payload: SyncPayload
  readonly deps: IndexDeps
  readonly context: TaskContext
  readonly journal: Journal
  readonly checkpoint: Checkpoint
}

async function deleteRest(
  seen: SeenIds,
  { payload, deps, context, journal, checkpoint }: Around,
): Promise<void> {
  const { collection, batch_size: limit, source_ids } = payload
  const stored = (await deps.store.describe(collection))?.count ?? 0
  if (stored > 0 && seen.size() === 0 && payload.allow_empty !== true) throw emptySync(collection)
  const { tally, next } = checkpoint
  const progress = createProgress(context, { before: next, unit: 'stored documents compared' })
  let looked = 0
  for (const sourceIds of source_ids === undefined ? [undefined] : slices(source_ids, IDS_AT_ONCE)) {
    let after: string | null = null
    do {
      await setImmediate()
      context.signal.throwIfAborted()
      const question = { collection, after, limit, ...(sourceIds !== undefined && { sourceIds }) }
      const page = await deps.store.list(question)
      const gone = page.documents.filter(({ id }) => !seen.has(id))
      if (payload.dry_run) tally.deleted += gone.length
      else if (gone.length > 0) {
        const which = { ids: gone.map(({ id }: ListedDocument) => id) }
        const at = { deps, tally, journal, signal: context.signal }
        await removeBatch({ collection, which }, limit, {
          ...at,
          checkpoint: (counted) => ({ ...checkpoint, tally: counted }),
        })
      }
      looked += page.documents.length
      progress(looked, Math.max(stored, looked))
      after = page.next
    } while (after !== null)
  }
}

function emptySync(collection: string): NonRetryableError {
  return new NonRetryableError(
    `the source of the sync holds no document: all of "${collection}" would be deleted. Say allow_empty: true if that is meant`,
    { code: 'EMPTY_SYNC' },
  )
}
