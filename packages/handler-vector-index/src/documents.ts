import type { FileHandle } from 'node:fs/promises'
import { NonRetryableError, scanJson } from '@mcp-worker/runtime'
import type { DocumentsRoot } from './documents-root.js'
import type { DocumentFault } from './faults.js'
import { createElementSplitter, type JsonElement } from './json-elements.js'
import { type DocumentInput, documentSchema, documentUpdateSchema, type WritePayload } from './payload.js'

/** The JSON of one document in a file, in bytes. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
const READ_BYTES = 256 * 1024

/** One document as it came, or what is wrong with its form. `position` counts from 0 over the whole payload or file. */
export type Entry = { readonly position: number } & (
  | { readonly document: DocumentInput }
  | { readonly fault: DocumentFault }
)

export interface DocumentSource {
  /** How many there are; null where only reading to the end would tell. */
  readonly total: number | null
  /** Changes when a file does, so that a checkpoint of its earlier content is not used. Inline documents are part of the payload. */
  readonly identity: string
  /** The entries from position `from` on. Memory does not depend on the size of the source. */
  entries(from: number): AsyncIterable<Entry>
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
  return fileDocuments(await root.open(payload.documents_ref), payload.operation)
}

function inlineDocuments(documents: readonly (string | DocumentInput)[]): DocumentSource {
  return {
    total: documents.length,
    identity: 'inline',
    async *entries(from) {
      for (let position = from; position < documents.length; position++) {
        yield { position, document: withText(documents[position] ?? '') }
      }
    },
    isUnchanged: async () => true,
    close: async () => {},
  }
}

function withText(given: string | DocumentInput): DocumentInput {
  return typeof given === 'string' ? { text: given } : given
}

async function fileDocuments(
  handle: FileHandle,
  operation: WritePayload['operation'],
): Promise<DocumentSource> {
  const identify = async (): Promise<string> => {
    const { ino, size, mtimeMs } = await handle.stat()
    return `file ${ino} ${size} ${mtimeMs}`
  }
  const identity = await identify()
  return {
    total: null,
    identity,
    async *entries(from) {
      let position = 0
      for await (const element of fileElements(handle)) {
        if (position >= from) yield { position, ...parseDocument(element, operation) }
        position++
      }
    },
    isUnchanged: async () => (await identify()) === identity,
    close: () => handle.close(),
  }
}

async function* fileElements(handle: FileHandle): AsyncGenerator<JsonElement> {
  const splitter = createElementSplitter(MAX_DOCUMENT_BYTES)
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  let offset = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, offset)
    if (bytesRead === 0) break
    offset += bytesRead
    yield* splitter.push(buffer.subarray(0, bytesRead))
  }
  yield* splitter.end()
}

function parseDocument(
  element: JsonElement,
  operation: WritePayload['operation'],
): { document: DocumentInput } | { fault: DocumentFault } {
  if (element === null) return { fault: 'DOCUMENT_TOO_LARGE' }
  let value: unknown
  try {
    scanJson(element)
    value = JSON.parse(element)
  } catch (error) {
    return { fault: error instanceof SyntaxError ? 'INVALID_JSON' : 'INVALID_DOCUMENT' }
  }
  const schema = operation === 'update' ? documentUpdateSchema : documentSchema
  const parsed = schema.safeParse(value)
  if (!parsed.success) return { fault: hasInfinity(value) ? 'NON_FINITE_VECTOR' : 'INVALID_DOCUMENT' }
  return { document: withText(parsed.data) }
}

/** JSON has no NaN, but a number like 1e999 reads as infinity. */
function hasInfinity(value: unknown): boolean {
  const vector: unknown =
    typeof value === 'object' && value !== null && 'vector' in value ? value.vector : null
  return Array.isArray(vector) && vector.some((part) => typeof part === 'number' && !Number.isFinite(part))
}
