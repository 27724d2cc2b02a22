import { describe, expect, it } from 'vitest'
import { decodeTable, encodeTable } from '../src/table-format.js'

const words = ['the', 'naïve', '東京']
const table = {
  dimension: 2,
  salience: Float32Array.from([0.125, 0.5, 1]),
  scale: Float32Array.from([0.25, 0.5, 0.75]),
  rows: Int8Array.from([127, -127, 0, 5, -1, 1]),
}

describe('a word table', () => {
  it('is read as it was written, at any offset of a buffer', () => {
    const bytes = encodeTable(words, table)
    const moved = new Uint8Array(bytes.length + 3)
    moved.set(bytes, 3)
    const { rowOf, ...read } = decodeTable(moved.subarray(3))
    expect(read).toEqual(table)
    expect([...rowOf]).toEqual(words.map((word, row) => [word, row]))
  })

  it('is refused if it is of another format or ends early', () => {
    const bytes = encodeTable(words, table)
    expect(() => decodeTable(bytes.slice(0, -8))).toThrow(RangeError)
    expect(() => decodeTable(Uint8Array.from(bytes, (byte, index) => (index === 4 ? 9 : byte)))).toThrow(
      'format 1',
    )
  })
})
