import { setImmediate } from 'node:timers/promises'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'
import { removeBatch, slices } from './delete.js'
import type { DocumentSource, Entry } from './documents.js'
import type { FailedDocument } from './faults.js'
import { type Checkpoint, type Journal, openJournal } from './journal.js'
import type { SyncPayload, VectorIndexResult } from './payload.js'
import { identifyEntry, type PreparedDocument } from './prepare.js'
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
  const seen = createSeenIds()
  try {
    const reader = createIdReader(seen, payload)
    await reader.readTo(journal.found?.next ?? 0, source, context.signal)
    const { look } = reader
    const checkpoint = await writeAll(payload, source, { deps, context, journal, look })
    const isWhole = reader.end()
    if (!(await source.isUnchanged())) throw sourceChanged()
    const around = { payload, deps, context, journal, checkpoint }
    if (isWhole) await deleteRest(seen, around)
    await journal.end()
    const collection = await deps.store.describe(payload.collection)
    const warnings = isWhole ? [] : ['DELETES_SKIPPED' as const]
    return resultOf(payload, checkpoint.tally, collection, { warnings })
  } finally {
    seen.close()
  }
}

const IDS_AT_ONCE = 1000

interface IdReader {
  /** What an earlier delivery wrote has to be read again: only the store knows it, and not what the source says of it. */
  readTo(end: number, source: DocumentSource, signal: AbortSignal): Promise<void>
  /** For each entry that is written. */
  readonly look: (
    entry: Entry,
    prepared: PreparedDocument | FailedDocument,
  ) => PreparedDocument | FailedDocument
  /** false: an entry had no readable id, so that nothing can be said to be gone. */
  end(): boolean
}

function createIdReader(seen: SeenIds, payload: SyncPayload): IdReader {
  const inScope = scopeCheck(payload)
  let isWhole = true
  let ids: string[] = []
  const note = (id: string | null): void => {
    if (id === null) isWhole = false
    else if (ids.push(id) === IDS_AT_ONCE) flush()
  }
  const flush = (): void => {
    seen.add(ids)
    ids = []
  }
  return {
    async readTo(end, source, signal) {
      if (end === 0) return
      for await (const entries of source.entries(0)) {
        for (const entry of entries) {
          if (entry.position >= end) return
          note(identifyEntry(entry))
        }
        await setImmediate()
        signal.throwIfAborted()
      }
    },
    look(entry, prepared) {
      if ('code' in prepared) {
        note(identifyEntry(entry))
        return prepared
      }
      note(prepared.id)
      return inScope(prepared)
    },
    end() {
      flush()
      return isWhole
    },
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
      : { id: document.id, ...document.place, code: 'OUT_OF_SCOPE' }
}

function sourceChanged(): RetryableError {
  return new RetryableError('the file of documents_ref changed while it was read', {
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
    const scope = sourceIds === undefined ? {} : { sourceIds }
    let after: string | null = null
    do {
      await setImmediate()
      context.signal.throwIfAborted()
      const page = await deps.store.list({ collection, after, limit, ...scope })
      const gone = page.documents.filter(({ id }) => !seen.has(id))
      if (payload.dry_run) tally.deleted += gone.length
      else if (gone.length > 0) {
        // some may come from elsewhere by now
        const which = { ids: gone.map(({ id }: ListedDocument) => id), ...scope }
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
