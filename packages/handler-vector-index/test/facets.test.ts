import { expect, test } from 'vitest'
import { facetConditions, facetsOf } from '../src/facets.js'

test('each scalar has a facet with its key, each key that is not null one alone', () => {
  const metadata = JSON.stringify({ a: 1, b: '1', c: true, d: null, e: [1], f: { g: 1 } })
  expect(facetsOf(metadata)).toEqual([
    '["a"]',
    '["a",1]',
    '["b"]',
    '["b","1"]',
    '["c"]',
    '["c",true]',
    '["e"]',
    '["f"]',
  ])
})

test('a condition asks for one of its facets, or for the lack of the key where null is wanted', () => {
  expect(facetConditions({ a: 1, b: { in: ['x', null] }, c: null })).toEqual([
    { anyOf: ['["a",1]'], orWithout: null },
    { anyOf: ['["b","x"]'], orWithout: '["b"]' },
    { anyOf: [], orWithout: '["c"]' },
  ])
})

test('long facets are hashed alike on both sides, and stay apart', () => {
  const [a, b] = ['a', 'b'].map((letter) => letter.repeat(5000))
  const stored = facetsOf(JSON.stringify({ key: a }))
  expect(stored).toContain(facetConditions({ key: a ?? '' })[0]?.anyOf[0])
  expect(stored).not.toContain(facetConditions({ key: b ?? '' })[0]?.anyOf[0])
  expect(Math.max(...stored.map(({ length }) => length))).toBeLessThan(200)
})
