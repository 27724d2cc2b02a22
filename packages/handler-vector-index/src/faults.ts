import { NonRetryableError } from '@mcp-worker/runtime'

/** What can be wrong with one document. With `on_error: continue` it is listed in the result and the others go on. */
export const DOCUMENT_FAULTS = {
  INVALID_UTF8:
    'expected a file in UTF-8 (iconv converts others), or its text would not be what the file holds',
  INVALID_JSON: 'the line or array element is not JSON',
  INVALID_DOCUMENT: 'it is not a document: an unknown key, a missing field, or a field of another kind',
  DOCUMENT_TOO_LARGE: 'it is larger than a document may be (the option maxTextLength, or 4 MiB of JSON)',
  EMPTY_TEXT: 'its text is empty',
  NON_FINITE_VECTOR: 'its vector has a component that is not a finite number',
  ZERO_VECTOR: 'its vector is zero in every component, so it has no direction to compare',
  DIM_MISMATCH: 'its vector has another dimension than the collection',
  NOT_FOUND: 'an update names a document that the collection does not have',
  OUT_OF_SCOPE: 'its source_id is not among the source_ids of the sync',
  NO_TEXT: 'it was given as a ready vector without a text, so another embedder has nothing to embed',
  VERSION_MISSING: 'mode if_newer compares versions, and this document has none',
} as const

export type DocumentFault = keyof typeof DOCUMENT_FAULTS

export function sayFault(code: DocumentFault): string {
  return DOCUMENT_FAULTS[code]
}

/** Where a document stands in what the task was given. */
export interface Place {
  /** Counts from 0 over the whole list or file. */
  readonly position: number
  /** Of a file: on which it begins, from 1. */
  readonly line?: number
}

export interface FailedDocument extends Partial<Place> {
  readonly id: string
  readonly code: DocumentFault
  /** What was expected and what came, where there is more to say than the code does. */
  readonly detail?: string | undefined
}

/** Ends the task: a document cannot be indexed and `on_error` is `fail`. */
export function refuseDocument({ id, code, position, line, detail }: FailedDocument): NonRetryableError {
  const listed = position === undefined ? '' : ` (documents[${position}])`
  const place = line === undefined ? listed : ` (line ${line})`
  const said = detail === undefined ? '' : `: ${detail}`
  return new NonRetryableError(
    `document ${JSON.stringify(id)}${place}: ${DOCUMENT_FAULTS[code]}${said}. Mend it, or set on_error to "continue"`,
    { code },
  )
}
