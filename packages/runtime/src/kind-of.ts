/** What kind of value came, in the words of JSON: for messages that must not show the value itself. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value !== 'object') return typeof value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === null || prototype === Object.prototype) return 'object'
  const name = (value.constructor as { readonly name?: unknown } | undefined)?.name
  return typeof name === 'string' && name !== '' ? name : 'object'
}
