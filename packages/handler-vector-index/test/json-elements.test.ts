import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFormatDetector } from '../src/documents-format.js'
import { createElementSplitter, type JsonElement } from '../src/json-elements.js'

interface Cut {
  /** null: it came out as a fault. */
  readonly text: string | null
  readonly line: number
}

function* cut(bytes: Buffer, pieceBytes: number): Generator<Buffer> {
  const reused = Buffer.alloc(pieceBytes)
  for (let from = 0; from < bytes.length; from += pieceBytes) {
    // the reader reuses its buffer, so this test does too
    const size = bytes.copy(reused, 0, from, from + pieceBytes)
    yield reused.subarray(0, size)
  }
}

function detect(bytes: Buffer, pieceBytes: number, maxBytes: number) {
  const detector = createFormatDetector(maxBytes)
  for (const piece of cut(bytes, pieceBytes)) {
    const format = detector.push(piece)
    if (format !== null) return format
  }
  return detector.end()
}

function splitAll(text: string | Buffer, pieceBytes: number, maxBytes = 1_000_000): Cut[] {
  const bytes = Buffer.from(text)
  const splitter = createElementSplitter({ format: detect(bytes, pieceBytes, maxBytes), maxBytes })
  const elements: JsonElement[] = []
  for (const piece of cut(bytes, pieceBytes)) elements.push(...splitter.push(piece))
  elements.push(...splitter.end())
  return elements.map((element) => ({
    line: element.line,
    text: 'text' in element ? element.text : null,
  }))
}

function split(text: string | Buffer, pieceBytes: number, maxBytes?: number): (string | null)[] {
  return splitAll(text, pieceBytes, maxBytes).map((element) => element.text)
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
      // one line that is an array is an array
      fc.pre(texts.length > 1 || texts[0]?.[0] !== '[')
      expect(split(texts.join('\n'), pieceBytes)).toEqual(texts)
      expect(split(`${texts.join('\r\n')}\r\n`, pieceBytes)).toEqual(texts)
    }),
  )
})

test('blank lines are skipped, and each element knows its line', () => {
  for (const pieceBytes of [1, 3, 1000]) {
    expect(splitAll('\n\n"a"\n\n  \n"b"', pieceBytes)).toEqual([
      { line: 3, text: '"a"' },
      { line: 6, text: '"b"' },
    ])
    expect(splitAll('\n [ "a" , \n\n"b"\n,"c\\" ]" ] \n', pieceBytes)).toEqual([
      { line: 2, text: '"a"' },
      { line: 4, text: '"b"' },
      { line: 5, text: '"c\\" ]"' },
    ])
  }
})

test('a brace too many spoils its element and not those that follow', () => {
  expect(split('["a",{"b":1}},"c"]', 4)).toEqual(['"a"', '{"b":1}}', '"c"'])
})

test('a backslash before a space escapes no quotation mark', () => {
  expect(detect(Buffer.from('["a\\ ",\n"b"]'), 4, 1000)).toBe('array')
})

test('a first line longer than the limit is taken for an array', () => {
  const line = `["${'x'.repeat(100)}"]`
  expect(detect(Buffer.from(`${line}\n"b"`), 7, 1000)).toBe('lines')
  expect(detect(Buffer.from(`${line}\n"b"`), 7, 50)).toBe('array')
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
