import type { FileHandle } from 'node:fs/promises'
import {
  createFormatDetector,
  type DocumentsFormat,
  HEAD_BYTES,
  markLength,
  refuseForeign,
} from './documents-format.js'
import { createElementSplitter, type JsonElement } from './json-elements.js'

/** The JSON of one document in a file, in bytes. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
const READ_BYTES = 512 * 1024

export interface DocumentsFile {
  /** From the beginning, piece by piece of the file: each is to be read to its end before the next. */
  elements(): AsyncGenerator<Iterable<JsonElement>>
}

/** Looks at the first line at most. `ref` names the file in the message. Rejects with `DOCUMENTS_REF_FORMAT`. */
export async function openDocumentsFile(handle: FileHandle, ref: string): Promise<DocumentsFile> {
  const head = Buffer.alloc(HEAD_BYTES)
  const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0)
  refuseForeign(ref, head.subarray(0, bytesRead))
  const offset = markLength(head)
  const format = await detectFormat(handle, offset)
  return {
    async *elements() {
      const splitter = createElementSplitter({ format, offset, maxBytes: MAX_DOCUMENT_BYTES })
      for await (const piece of piecesOf(handle, offset)) yield splitter.push(piece)
      yield splitter.end()
    },
  }
}

async function detectFormat(handle: FileHandle, offset: number): Promise<DocumentsFormat> {
  const detector = createFormatDetector(MAX_DOCUMENT_BYTES)
  for await (const piece of piecesOf(handle, offset)) {
    const format = detector.push(piece)
    if (format !== null) return format
  }
  return detector.end()
}

/** Each piece lies where the one before it lay. */
async function* piecesOf(handle: FileHandle, from: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  let offset = from
  for (;;) {
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, offset)
    if (bytesRead === 0) return
    offset += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}
