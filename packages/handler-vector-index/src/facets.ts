import { hash } from 'node:crypto'
import type { Filter } from './payload.js'

type Scalar = string | number | boolean | null

/** One key of a filter for engines that look facets up: a document matches if it has one of `anyOf`, or lacks `orWithout`. */
export interface FacetCondition {
  readonly anyOf: readonly string[]
  /** null: lacking something does not help. */
  readonly orWithout: string | null
}

/** Longer facets are hashed: index entries are bounded (PostgreSQL's GIN: about 2,700 bytes). */
const MAX_FACET_LENGTH = 200

/**
 * What a filter can ask of metadata, as strings that are equal or not: `["topic","money"]` for each scalar, `["topic"]` for each key that is not null.
 * Types stay apart (1, "1", true), and any key works, whatever it is spelt with.
 */
export function facetsOf(metadataText: string): readonly string[] {
  const metadata = JSON.parse(metadataText) as Readonly<Record<string, unknown>>
  return Object.entries(metadata).flatMap(([key, value]) => {
    if (value === null) return []
    return typeof value === 'object' ? [facet(key)] : [facet(key), facet(key, value as Scalar)]
  })
}

/** All conditions must hold. */
export function facetConditions(filter: Filter): readonly FacetCondition[] {
  return Object.entries(filter).map(([key, wanted]) => {
    const scalars = typeof wanted === 'object' && wanted !== null ? wanted.in : [wanted]
    const values = scalars.filter((scalar) => scalar !== null)
    return {
      anyOf: values.map((value) => facet(key, value)),
      orWithout: values.length < scalars.length ? facet(key) : null,
    }
  })
}

function facet(...parts: readonly Scalar[]): string {
  const text = JSON.stringify(parts)
  return text.length <= MAX_FACET_LENGTH ? text : `sha256:${hash('sha256', text)}`
}
