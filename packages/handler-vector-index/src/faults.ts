import { NonRetryableError } from '@mcp-worker/runtime'

/** What can be wrong with one document. With `on_error: continue` it is listed in the result and the others go on. */
export const DOCUMENT_FAULTS = {
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

/** Ends the task: a document cannot be indexed and `on_error` is `fail`. */
export function refuseDocument(id: string, code: DocumentFault): NonRetryableError {
  return new NonRetryableError(
    `document ${JSON.stringify(id)}: ${DOCUMENT_FAULTS[code]}. Mend it, or set on_error to "continue"`,
    { code },
  )
}
