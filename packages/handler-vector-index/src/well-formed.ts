/** With the flag u it matches surrogates that are no pair. */
const HALF_PAIR = /\p{Surrogate}/u

/** Half surrogate pairs become U+FFFD, as they do wherever text is written as UTF-8. */
export function wellFormed(text: string): string {
  return HALF_PAIR.test(text) ? Buffer.from(text).toString() : text
}
