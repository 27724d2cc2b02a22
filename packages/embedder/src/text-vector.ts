import { scaleToUnitLength } from './embedder.js'
import { addSpelling } from './hashed-features.js'
import { countTerms } from './terms.js'
import type { WordTable } from './table-format.js'

/** The rest of a longer text is not read. */
export const maxCharacters = 65_536
/** Components for what the words mean (99) and for how they are spelt (285). */
export const vectorDimension = 384
/** A dot product is that of the meanings plus this times that of the spellings. */
const spellingShare = 0.8
/** A word n times in a text counts n / (n + k): a frequent word matters, but not ever more. */
const meaningSaturation = 1
const spellingSaturation = 3
const unknownSalience = 1

/**
 * The vector of one text that is not white space. Uses + - * / and square roots only, in one fixed order, so that
 * the same text gives the same bytes in every process.
 */
export function textVector(table: WordTable, text: string): Float32Array {
  const meaning = new Float64Array(table.dimension)
  const spelling = new Float64Array(vectorDimension - table.dimension)
  for (const [term, count] of countTerms(text.slice(0, maxCharacters))) {
    const row = table.rowOf.get(term)
    const salience = row === undefined ? unknownSalience : (table.salience[row] ?? unknownSalience)
    addSpelling(spelling, term, (salience * count) / (count + spellingSaturation))
    if (row !== undefined) addMeaning(meaning, table, row, (salience * count) / (count + meaningSaturation))
  }
  return joined(meaning, spelling)
}

function addMeaning(meaning: Float64Array, table: WordTable, row: number, weight: number): void {
  const factor = weight * (table.scale[row] ?? 0)
  const start = row * meaning.length
  for (let d = 0; d < meaning.length; d += 1) {
    meaning[d] = (meaning[d] ?? 0) + factor * (table.rows[start + d] ?? 0)
  }
}

/** Each part gets its fixed share whatever the text's length; a part may be zero, if all words are unknown. */
function joined(meaning: Float64Array, spelling: Float64Array): Float32Array {
  scaleToUnitLength(meaning)
  scaleToUnitLength(spelling)
  const spellingFactor = Math.sqrt(spellingShare)
  const vector = new Float64Array(meaning.length + spelling.length)
  vector.set(meaning)
  vector.set(
    spelling.map((value) => value * spellingFactor),
    meaning.length,
  )
  // features that cancel exactly: any fixed unit vector is better than none
  if (!scaleToUnitLength(vector)) vector[vector.length - 1] = 1
  return Float32Array.from(vector)
}
