const words = /[\p{L}\p{M}\p{N}]+/gu
const visible = /\S/gu
/** Where an identifier like `parseHTTPHeader` or `fileName2` is cut. */
const humps = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u
const innerCapital = /(?!^)\p{Lu}/u
/** Scripts that put no space between words. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const firstUnspacedCodeUnit = 0x0e00

/**
 * The words of a text in lower case, each with how often it occurs, in the order of first occurrence. An
 * identifier counts as a whole and by its parts, a run of Chinese, Japanese or Thai by its pairs of characters. A
 * text of symbols alone counts by its characters; only white space gives an empty map.
 */
export function countTerms(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  const count = (term: string): void => void counts.set(term, (counts.get(term) ?? 0) + 1)
  const normal = text.normalize('NFKC')
  for (const word of normal.match(words) ?? []) termsOf(word).forEach(count)
  if (counts.size === 0) normal.match(visible)?.forEach(count)
  return counts
}

function termsOf(word: string): string[] {
  const lower = word.toLowerCase()
  if (word.charCodeAt(0) >= firstUnspacedCodeUnit && unspaced.test(word)) return pairs(lower)
  if (lower === word || !innerCapital.test(word)) return [lower]
  const parts = word.split(humps)
  return parts.length === 1 ? [lower] : [lower, ...parts.map((part) => part.toLowerCase())]
}

function pairs(word: string): string[] {
  const characters = Array.from(word)
  if (characters.length === 1) return characters
  return characters.slice(1).map((character, index) => `${characters[index]}${character}`)
}
