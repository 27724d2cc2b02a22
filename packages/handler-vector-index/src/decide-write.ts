import type { DocumentFault } from './faults.js'
import type { WritePayload } from './payload.js'
import type { PreparedDocument } from './prepare.js'
import type { StoredDocument } from './store.js'

/** What is to be done with one document. `touch`: its metadata, source or version change, its content does not. */
export type WriteDecision =
  | { readonly kind: 'insert' | 'replace' | 'touch' | 'unchanged' }
  | { readonly kind: 'failed'; readonly code: DocumentFault }

export type WriteMode = 'upsert' | 'insert_only' | 'if_newer' | 'update'

export function writeModeOf(payload: WritePayload): WriteMode {
  if (payload.operation === 'sync') return 'upsert'
  return payload.operation === 'update' ? 'update' : payload.mode
}

/** Pure: the whole table of modes against what is stored. */
export function decideWrite(
  document: PreparedDocument,
  stored: StoredDocument | undefined,
  mode: WriteMode,
): WriteDecision {
  if (mode === 'if_newer' && document.version === null) return { kind: 'failed', code: 'VERSION_MISSING' }
  if (stored === undefined) {
    return mode === 'update' ? { kind: 'failed', code: 'NOT_FOUND' } : { kind: 'insert' }
  }
  if (mode === 'insert_only') return { kind: 'unchanged' }
  if (mode === 'if_newer' && !isNewer(document.version, stored.version)) return { kind: 'unchanged' }
  if (document.content !== null && document.content.hash !== stored.contentHash) return { kind: 'replace' }
  return { kind: sameRest(document, stored, mode) ? 'unchanged' : 'touch' }
}

function isNewer(version: number | null, stored: number | null): boolean {
  return stored === null || (version !== null && version > stored)
}

/** The fields beside the content that the write would leave behind. An update keeps what it does not name. */
export function mergedFields(
  document: PreparedDocument,
  stored: StoredDocument | undefined,
  mode: WriteMode,
): Pick<StoredDocument, 'sourceId' | 'version' | 'metadata'> {
  const kept = mode === 'update' ? stored : undefined
  return {
    sourceId: document.sourceId ?? kept?.sourceId ?? null,
    version: document.version ?? kept?.version ?? null,
    metadata: document.metadata ?? kept?.metadata ?? '{}',
  }
}

function sameRest(document: PreparedDocument, stored: StoredDocument, mode: WriteMode): boolean {
  const merged = mergedFields(document, stored, mode)
  return (
    merged.sourceId === stored.sourceId &&
    merged.version === stored.version &&
    merged.metadata === stored.metadata
  )
}
