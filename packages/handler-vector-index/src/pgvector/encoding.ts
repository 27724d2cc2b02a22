import { wellFormed } from '../well-formed.js'

/** Stands for what PostgreSQL's `text` cannot hold. U+E000 is for private use. */
const ESCAPE = '\uE000'

/** A string for a `text` column: U+0000 and U+E000 are escaped, half surrogate pairs become U+FFFD. */
export function toText(text: string): string {
  const whole = wellFormed(text)
  if (!whole.includes('\0') && !whole.includes(ESCAPE)) return whole
  return whole.replaceAll(ESCAPE, `${ESCAPE}1`).replaceAll('\0', `${ESCAPE}0`)
}

export function fromText(text: string): string {
  if (!text.includes(ESCAPE)) return text
  return text.replaceAll(`${ESCAPE}0`, '\0').replaceAll(`${ESCAPE}1`, ESCAPE)
}

/** pgvector's text form. Nine digits give each float32 back bit by bit. */
export function toVectorText(vector: Float32Array): string {
  return `[${Array.from(vector, (value) => value.toPrecision(9)).join(',')}]`
}

export function fromVectorText(text: string): Float32Array {
  return Float32Array.from(JSON.parse(text) as number[])
}
