import { array, assert, integer, property, record, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutIntoBatches } from '../src/batches.js'

const limits = record({ texts: integer({ min: 1, max: 8 }), characters: integer({ min: 1, max: 40 }) })

describe('batches', () => {
  it('hold every text once, in order, within both limits unless a text is alone', () => {
    const holds = property(array(string({ maxLength: 60 })), limits, (texts, limit) => {
      const batches = cutIntoBatches(texts, limit)
      expect(batches.flat()).toEqual(texts)
      expect(batches.every((batch) => batch.length > 0 && batch.length <= limit.texts)).toBe(true)
      const together = batches.filter((batch) => batch.length > 1)
      expect(together.every((batch) => batch.join('').length <= limit.characters)).toBe(true)
    })
    assert(holds)
  })
})
