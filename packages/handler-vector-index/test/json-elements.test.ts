import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createElementSplitter, type JsonElement } from '../src/json-elements.js'

function split(text: string | Buffer, pieceBytes: number, maxBytes = 1_000_000): JsonElement[] {
  const bytes = Buffer.from(text)
  const splitter = createElementSplitter(maxBytes)
  const elements: JsonElement[] = []
  const reused = Buffer.alloc(pieceBytes)
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    // the reader reuses its buffer, so this test does too
    const size = bytes.copy(reused, 0, from, from + pieceBytes)
    elements.push(...splitter.push(reused.subarray(0, size)))
  }
  return [...elements, ...splitter.end()]
}

/** How many elements of the text can be parsed, and how many cannot. */
function parse(text: string): { good: number; bad: number } {
  const elements = split(text, 5)
  const bad = elements.filter((element) => {
    try {
      JSON.parse(element ?? '')
      return false
    } catch {
      return true
    }
  })
  return { good: elements.length - bad.length, bad: bad.length }
}

const documents = fc.array(fc.jsonValue({ maxDepth: 4 }), { maxLength: 20 })
const pieces = fc.integer({ min: 1, max: 50 })

test('an array and its lines give the same elements, however the bytes are cut', () => {
  fc.assert(
    fc.property(documents, pieces, fc.constantFrom(undefined, 1), (list, pieceBytes, indent) => {
      const texts = list.map((value) => JSON.stringify(value))
      const array = split(JSON.stringify(list, null, indent), pieceBytes)
      expect(array.map((element) => JSON.parse(element ?? ''))).toEqual(texts.map((text) => JSON.parse(text)))
      fc.pre(texts[0]?.[0] !== '[')
      expect(split(texts.join('\n'), pieceBytes)).toEqual(texts)
      expect(split(`${texts.join('\r\n')}\r\n`, pieceBytes)).toEqual(texts)
    }),
  )
})

test('a byte order mark and blank lines are skipped', () => {
  expect(split('\uFEFF\n\n"a"\n\n  \n"b"', 1000)).toEqual(['"a"', '"b"'])
  expect(split('\uFEFF [ "a" , "b" ] \n', 1000)).toEqual(['"a"', '"b"'])
})

test('an element above the limit comes out as null, and its neighbours as they are', () => {
  const big = JSON.stringify('x'.repeat(1000))
  for (const pieceBytes of [7, 100, 5000]) {
    expect(split(`"a"\n${big}\n"b"`, pieceBytes, 100)).toEqual(['"a"', null, '"b"'])
    expect(split(`["a",${big},"b"]`, pieceBytes, 100)).toEqual(['"a"', null, '"b"'])
  }
})

test('an array that is cut off, or followed by more, gives one broken element', () => {
  expect(parse('["a","b"')).toEqual({ good: 2, bad: 1 })
  expect(parse('["a","b')).toEqual({ good: 1, bad: 2 })
  expect(parse('["a"] ["b"]')).toEqual({ good: 1, bad: 1 })
  expect(parse('["a"]\n')).toEqual({ good: 1, bad: 0 })
  expect(parse('[]')).toEqual({ good: 0, bad: 0 })
})

test('an empty file has no elements', () => {
  expect(split('', 10)).toEqual([])
  expect(split(' \n ', 10)).toEqual([])
})
