import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { portionsOf } from '../src/portions.js'

test('every document is in one portion, in order, and only one alone has more than 2,000 chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 50 }), (counts) => {
      const documents = counts.map((chunks, i) => ({ id: String(i), chunks }))
      const portions = [...portionsOf(documents)]
      expect(portions.flat()).toEqual(documents.map(({ id }) => id))
      for (const portion of portions) {
        const chunks = portion.reduce((sum, id) => sum + (counts[Number(id)] ?? 0), 0)
        expect(portion.length === 1 || chunks <= 2000).toBe(true)
      }
    }),
  )
})
