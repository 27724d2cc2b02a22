import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeUtf8 } from '../src/utf8.js'

const text = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '😀', '\uFFFD', '\0', '\uFEFF') })

test('UTF-8 is decoded as it is, a U+FFFD of its own included', () => {
  fc.assert(
    fc.property(text, (whole) => {
      expect(decodeUtf8(Buffer.from(whole))).toBe(whole)
    }),
  )
})

test('the first byte that is not UTF-8 is found, whatever stands before and after it', () => {
  const bad = fc.constantFrom([0x80], [0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82])
  fc.assert(
    fc.property(text, bad, text, (before, bytes, after) => {
      const head = Buffer.from(before)
      expect(decodeUtf8(Buffer.concat([head, Buffer.from(bytes), Buffer.from(after)]))).toBe(head.length)
    }),
  )
})
