import type { Schemas } from '@qdrant/js-client-rest'
import { type Point, refuse } from './local-point.js'

/** The filters of Qdrant's API that the engine uses; any other is refused, so that none is silently ignored. */
export function matches(filter: Schemas['Filter'] | null | undefined, point: Point): boolean {
  if (filter === null || filter === undefined) return true
  mustKnow(filter, ['must', 'should', 'must_not'])
  const must = listOf(filter.must)
  const should = listOf(filter.should)
  return (
    must.every((condition) => holds(condition, point)) &&
    (should.length === 0 || should.some((condition) => holds(condition, point))) &&
    !listOf(filter.must_not).some((condition) => holds(condition, point))
  )
}

function listOf(
  conditions:
    | Schemas['Condition']
    | readonly Schemas['Condition'][]
    | null
    | undefined
    | Record<string, unknown>,
): readonly Schemas['Condition'][] {
  if (conditions === null || conditions === undefined) return []
  return Array.isArray(conditions)
    ? (conditions as Schemas['Condition'][])
    : [conditions as Schemas['Condition']]
}

function holds(condition: Schemas['Condition'], point: Point): boolean {
  if ('has_id' in condition) {
    mustKnow(condition, ['has_id'])
    return (condition.has_id as readonly unknown[]).includes(point.id)
  }
  if ('key' in condition) {
    mustKnow(condition, ['key', 'match'])
    return matchesField(condition, point)
  }
  if ('must' in condition || 'should' in condition || 'must_not' in condition) {
    return matches(condition, point)
  }
  throw refuse(400, `Format error in JSON body: unknown condition ${JSON.stringify(condition)}`)
}

/** An array matches if one of its elements does; a missing value and null match nothing. */
function matchesField({ key, match }: Schemas['FieldCondition'], { payload }: Point): boolean {
  if (/[.[\]"]/.test(key)) throw refuse(400, `Format error in JSON body: paths are not known here: ${key}`)
  const value: unknown = payload[key]
  const values = (Array.isArray(value) ? value : [value]) as readonly unknown[]
  if (typeof match !== 'object' || match === null)
    throw refuse(400, 'Format error in JSON body: expected match')
  mustKnow(match, ['value', 'any'])
  const wanted = ('any' in match ? match.any : [(match as { value: unknown }).value]) as readonly unknown[]
  if (new Set(wanted.map((one) => typeof one)).size > 1) {
    throw refuse(
      400,
      'Format error in JSON body: data did not match any variant of untagged enum AnyVariants',
    )
  }
  return values.some((one) => one !== null && wanted.includes(one))
}

export function mustKnow(object: object, keys: readonly string[]): void {
  const unknown = Object.keys(object).find((key) => !keys.includes(key))
  if (unknown !== undefined)
    throw refuse(400, `Format error in JSON body: this server does not know \`${unknown}\``)
}
