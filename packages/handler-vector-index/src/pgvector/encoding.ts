/** Stands for what PostgreSQL's `text` cannot hold. U+E000 is for private use. */
const ESCAPE = '\uE000'
/** With the flag u it matches surrogates that are no pair. */
const HALF_PAIR = /\p{Surrogate}/u

/** A string for a `text` column: U+0000 and U+E000 are escaped, half surrogate pairs become U+FFFD. */
export function toText(text: string): string {
  const whole = HALF_PAIR.test(text) ? Buffer.from(text).toString() : text
  if (!whole.includes('\0') && !whole.includes(ESCAPE)) return whole
  return whole.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll('\0', `${ESCAPE}0`)
}

export function fromText(text: string): string {
  if (!text.includes(ESCAPE)) return text
  return text.replaceAll(`${ESCAPE}0`, '\0').replaceAll(`${ESCAPE}1`, ESCAPE)
}

/** pgvector's text form. Nine digits give each float32 back bit by bit. */
export function toVectorText(vector: Float32Array): string {
  const parts = new Array<string>(vector.length)
  for (let i = 0; i < vector.length; i++) parts[i] = (vector[i] ?? 0).toPrecision(9)
  return `[${parts.join(',')}]`
}

export function fromVectorText(text: string): Float32Array {
  return Float32Array.from(JSON.parse(text) as number[])
}
