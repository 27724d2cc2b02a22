import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutText, joinTexts } from '../src/chunk.js'
import type { ChunkOptions } from '../src/options.js'

const textsOf = (text: string, options: ChunkOptions) => cutText(text, options).texts

const sizes = fc
  .tuple(
    fc.integer({ min: 100, max: 300 }),
    fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.49, noNaN: true })),
  )
  .map(([size, part]) => ({ size, overlap: Math.floor(size * part) }))
const texts = fc
  .array(fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('. ', '\n\n', ' ', 'word ', '🙂', '。')), {
    maxLength: 300,
    // else fast-check makes ten parts at most, which fit in one chunk
    size: 'max',
  })
  .map((parts) => parts.join(''))

test('no chunk is empty, untrimmed or longer than size', () => {
  fc.assert(
    fc.property(texts, sizes, (text, options) => {
      for (const chunk of textsOf(text, options)) {
        expect(chunk).not.toBe('')
        expect(chunk).toBe(chunk.trim())
        expect(chunk.length).toBeLessThanOrEqual(options.size)
      }
    }),
  )
})

test('every character that is no white space is in a chunk, in order, and without overlap exactly once', () => {
  fc.assert(
    fc.property(texts, sizes, (text, { size }) => {
      const chunks = textsOf(text, { size, overlap: 0 })
      expect(chunks.join('').replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''))
    }),
  )
})

test('a chunk shares at most `overlap` characters with those before it, and between two there is only white space', () => {
  fc.assert(
    fc.property(texts, sizes, (text, options) => {
      const joints = JSON.parse(cutText(text, options).joints) as (number | string)[]
      const shared = joints.filter((joint) => typeof joint === 'number')
      const between = joints.filter((joint) => typeof joint === 'string')
      expect(Math.max(0, ...shared)).toBeLessThanOrEqual(options.overlap)
      expect(between.join('').trim()).toBe('')
    }),
  )
})

test('joined again the chunks are the text without the white space around it, to the character', () => {
  fc.assert(
    fc.property(texts, sizes, (text, options) => {
      const cut = cutText(text, options)
      expect(joinTexts(cut.texts, cut.joints)).toBe(text.trim())
    }),
  )
})

test('a joint is the white space between two chunks, or how much they share', () => {
  const paragraph = 'Aaaa bbbb cccc. '.repeat(6).trim()
  const text = ` ${paragraph}\n \n${paragraph}\t${paragraph} `
  const apart = cutText(text, { size: 100, overlap: 0 })
  expect(apart.texts).toEqual([paragraph, paragraph, paragraph])
  expect(apart.joints).toBe(JSON.stringify(['\n \n', '\t']))
  expect(joinTexts(apart.texts, apart.joints)).toBe(text.trim())
  const shared = cutText(text, { size: 100, overlap: 20 })
  expect(JSON.parse(shared.joints)).toContainEqual(expect.any(Number))
  expect(joinTexts(shared.texts, shared.joints)).toBe(text.trim())
})

test('a text that was joined again is cut as it was the first time', () => {
  fc.assert(
    fc.property(texts, sizes, sizes, (text, one, other) => {
      const first = cutText(text, one)
      const second = cutText(joinTexts(first.texts, first.joints), other)
      expect(second).toEqual(cutText(text, other))
    }),
  )
})

test('surrogate pairs stay whole in a text without any white space', () => {
  for (const chunk of textsOf('🙂'.repeat(500), { size: 101, overlap: 33 })) {
    expect(chunk).not.toMatch(/\p{Surrogate}/u)
  }
})

test('a chunk ends at a paragraph before a sentence before a word', () => {
  const sentence = 'Aaaa bbbb cccc. '
  const paragraphs = `${sentence.repeat(5)}\n\n${sentence.repeat(5)}`
  expect(textsOf(paragraphs, { size: 100, overlap: 0 })[0]).toBe(sentence.repeat(5).trim())
  expect(textsOf(sentence.repeat(10), { size: 100, overlap: 0 })[0]).toBe(sentence.repeat(6).trim())
  expect(textsOf('word '.repeat(50), { size: 102, overlap: 0 })[0]).toBe('word '.repeat(20).trim())
})

test('a text that fits is one chunk, and white space is none', () => {
  expect(textsOf(' short ', { size: 100, overlap: 10 })).toEqual(['short'])
  expect(textsOf(' \n\t ', { size: 100, overlap: 10 })).toEqual([])
  expect(textsOf('', { size: 100, overlap: 10 })).toEqual([])
})
