const wordProbes = 2
const gramLengths = [4, 5]
/** Energy of a word's character features as a multiple of that of the word itself. */
const gramShare = 1.5

/**
 * Adds the spelling of a word to a vector of hashed features: the word at two places, and its runs of four and
 * five characters, which keep `deploy` near `deployment` and a misspelling near the word.
 */
export function addSpelling(features: Float64Array, word: string, weight: number): void {
  for (let probe = 0; probe < wordProbes; probe += 1) {
    addAt(features, hashOf(word, 0, word.length, probe), weight)
  }
  const marked = `<${word}>`
  let grams = 0
  for (const length of gramLengths) grams += Math.max(0, marked.length - length + 1)
  const gramWeight = (weight * gramShare) / Math.sqrt(grams)
  for (const length of gramLengths) {
    for (let start = 0; start + length <= marked.length; start += 1) {
      addAt(features, hashOf(marked, start, start + length, wordProbes), gramWeight)
    }
  }
}

/** The top bit is the sign, so that words that share a place cancel as often as they add up. */
function addAt(features: Float64Array, hash: number, weight: number): void {
  const place = hash % features.length
  features[place] = (features[place] ?? 0) + (hash >>> 31 === 1 ? weight : -weight)
}

/** FNV-1a over UTF-16 code units with the finisher of MurmurHash3, for FNV's low bits are poor. */
function hashOf(text: string, start: number, end: number, seed: number): number {
  let hash = 0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)
  for (let index = start; index < end; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
