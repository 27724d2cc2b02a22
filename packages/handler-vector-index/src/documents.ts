import type { FileHandle } from 'node:fs/promises'
import { NonRetryableError } from '@mcp-worker/runtime'
import type { DocumentsRoot } from './documents-root.js'
import { openDocumentsFile } from './documents-file.js'
import type { Place } from './faults.js'
import type { JsonElement } from './json-elements.js'
import { parseDocument, type ParsedDocument, withText } from './parse-document.js'
import type { DocumentInput, WritePayload } from './payload.js'

/** One document as it came, or what is wrong with its form. */
export type Entry = Place & ParsedDocument

export interface DocumentSource {
  /** How many there are; null where only reading to the end would tell. */
  readonly total: number | null
  /** Changes when a file does, so that a checkpoint of its earlier content is not used. Inline documents are part of the payload. */
  readonly identity: string
  /**
   * The entries from position `from` on, piece by piece of a file: each is to be read to its end before the next. Memory does not depend on the size
   * of the source.
   */
  entries(from: number): AsyncIterable<Iterable<Entry>>
  /** false: somebody changed the file since it was opened. */
  isUnchanged(): Promise<boolean>
  close(): Promise<void>
}

/** Resolves `documents` or `documents_ref`. Throws `DOCUMENTS_REF_…`. */
export async function openDocuments(
  payload: WritePayload,
  root: DocumentsRoot | null,
): Promise<DocumentSource> {
  if (payload.documents_ref === undefined) return inlineDocuments(payload.documents ?? [])
  if (root === null) {
    throw new NonRetryableError(
      'documents_ref is not allowed here: the option documentsRoot of the plugin names no folder',
      {
        code: 'DOCUMENTS_REF_DISABLED',
      },
    )
  }
  const handle = await root.open(payload.documents_ref)
  try {
    return await fileDocuments(handle, payload.documents_ref, payload.operation)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function inlineDocuments(documents: readonly (string | DocumentInput)[]): DocumentSource {
  return {
    total: documents.length,
    identity: 'inline',
    async *entries(from) {
      yield documents.slice(from).map((document, i) => ({ position: from + i, document: withText(document) }))
    },
    isUnchanged: async () => true,
    close: async () => {},
  }
}

async function fileDocuments(
  handle: FileHandle,
  ref: string,
  operation: WritePayload['operation'],
): Promise<DocumentSource> {
  const identify = async (): Promise<string> => {
    const { ino, size, mtimeMs } = await handle.stat()
    return `file ${ino} ${size} ${mtimeMs}`
  }
  const identity = await identify()
  const file = await openDocumentsFile(handle, ref)
  return {
    total: null,
    identity,
    async *entries(from) {
      const counter = { position: 0 }
      for await (const elements of file.elements())
        yield parseElements(elements, { counter, from, operation })
    },
    isUnchanged: async () => (await identify()) === identity,
    close: () => handle.close(),
  }
}

interface Reading {
  /** Goes on over all pieces. */
  readonly counter: { position: number }
  /** Elements before this position are passed over. */
  readonly from: number
  readonly operation: WritePayload['operation']
}

/** One by one, as they are asked for: a piece may hold thousands. */
function* parseElements(
  elements: Iterable<JsonElement>,
  { counter, from, operation }: Reading,
): Generator<Entry> {
  for (const element of elements) {
    const position = counter.position++
    if (position >= from) yield { position, line: element.line, ...parseDocument(element, operation) }
  }
}
