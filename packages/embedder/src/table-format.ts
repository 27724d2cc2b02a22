/**
 * The layout of the word table, in both directions. This file imports nothing, so that the build script can run
 * it without a build.
 *
 * ```
 * offset  size          content
 * 0       4             "MWWT"
 * 4       4             format, uint32 (1)
 * 8       4             words, uint32 (n)
 * 12      4             dimension, uint32 (d)
 * 16      4n            salience, float32: how much a word says, 0 to 1
 * 16+4n   4n            scale, float32: row × scale has unit length
 * 16+8n   nd            rows, int8
 * 16+8n+nd  the rest    the words, UTF-8, joined by "\n", most frequent first
 * ```
 *
 * All numbers are little-endian.
 */
export interface WordTable {
  dimension: number
  /** Word to row number. */
  rowOf: ReadonlyMap<string, number>
  /** One per row: how much the word says, above 0 and at most 1. */
  salience: Float32Array
  /** One per row: what makes the int8 row a unit vector. */
  scale: Float32Array
  /** Row r is at `[r * dimension, (r + 1) * dimension)`. */
  rows: Int8Array
}

const magic = 0x5457574d
const format = 1
const headerBytes = 16

export function encodeTable(
  words: readonly string[],
  table: Pick<WordTable, 'dimension' | 'salience' | 'scale' | 'rows'>,
): Uint8Array {
  const text = new TextEncoder().encode(words.join('\n'))
  const wordCount = words.length
  const bytes = new Uint8Array(headerBytes + wordCount * 8 + table.rows.length + text.length)
  const view = new DataView(bytes.buffer)
  for (const [index, value] of [magic, format, wordCount, table.dimension].entries()) {
    view.setUint32(index * 4, value, true)
  }
  for (let row = 0; row < wordCount; row += 1) {
    view.setFloat32(headerBytes + row * 4, table.salience[row] ?? 0, true)
    view.setFloat32(headerBytes + (wordCount + row) * 4, table.scale[row] ?? 0, true)
  }
  const rowsStart = headerBytes + wordCount * 8
  bytes.set(new Uint8Array(table.rows.buffer, table.rows.byteOffset, table.rows.length), rowsStart)
  bytes.set(text, rowsStart + table.rows.length)
  return bytes
}

/** Throws a RangeError on bytes that are no table of this format. */
export function decodeTable(bytes: Uint8Array): WordTable {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== magic || view.getUint32(4, true) !== format) {
    throw new RangeError(`expected a word table of format ${format}`)
  }
  const wordCount = view.getUint32(8, true)
  const dimension = view.getUint32(12, true)
  const rowsStart = headerBytes + wordCount * 8
  const wordsStart = rowsStart + wordCount * dimension
  const words = new TextDecoder().decode(bytes.subarray(wordsStart)).split('\n')
  if (words.length !== wordCount) {
    throw new RangeError(`expected ${wordCount} words in the table, got ${words.length}`)
  }
  return {
    dimension,
    rowOf: new Map(words.map((word, row) => [word, row])),
    salience: readFloats(view, headerBytes, wordCount),
    scale: readFloats(view, headerBytes + wordCount * 4, wordCount),
    rows: new Int8Array(bytes.buffer, bytes.byteOffset + rowsStart, wordCount * dimension),
  }
}

function readFloats(view: DataView, start: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, index) => view.getFloat32(start + index * 4, true))
}
