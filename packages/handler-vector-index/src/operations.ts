import { deleteDocuments } from './delete.js'
import { type DocumentSource, openDocuments } from './documents.js'
import type { DocumentsRoot } from './documents-root.js'
import { dropCollection } from './drop.js'
import { optimizeStore } from './optimize.js'
import type { Payload, VectorIndexResult, WritePayload } from './payload.js'
import { reindexCollection } from './reindex.js'
import { syncDocuments } from './sync.js'
import type { TaskContext } from './task-context.js'
import { writeDocuments } from './upsert.js'
import { verifyCollection } from './verify.js'
import type { IndexDeps } from './write-batch.js'

export interface OperationDeps extends IndexDeps {
  /** Where `documents_ref` names files; null: nowhere. */
  readonly root: DocumentsRoot | null
}

/** The task `vector_index`: one file per operation. */
export async function runOperation(
  payload: Payload,
  deps: OperationDeps,
  context: TaskContext,
): Promise<VectorIndexResult> {
  switch (payload.operation) {
    case 'upsert':
    case 'update':
      return withDocuments(payload, deps, (source) => writeDocuments(payload, source, deps, context))
    case 'sync':
      return withDocuments(payload, deps, (source) => syncDocuments(payload, source, deps, context))
    case 'delete':
      return deleteDocuments(payload, deps, context)
    case 'reindex':
      return reindexCollection(payload, deps, context)
    case 'optimize':
      return optimizeStore(payload, deps, context)
    case 'verify':
      return verifyCollection(payload, deps, context)
    case 'drop':
      return dropCollection(payload, deps, context)
  }
}

async function withDocuments<T>(
  payload: WritePayload,
  { root }: OperationDeps,
  work: (source: DocumentSource) => Promise<T>,
): Promise<T> {
  const source = await openDocuments(payload, root)
  try {
    return await work(source)
  } finally {
    await source.close()
  }
}
