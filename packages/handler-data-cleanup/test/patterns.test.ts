import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { matcherOf } from '../src/files/patterns.js'

test.each([
  ['*.log', 'a.log', true],
  ['*.log', 'deep/down/a.log', true],
  ['*.log', 'a.log.1', false],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['cache/*.bin', 'cache/x.bin', true],
  ['cache/*.bin', 'cache/sub/x.bin', false],
  ['cache/**', 'cache', true],
  ['cache/**', 'cache/sub/x.bin', true],
  ['**/x.bin', 'x.bin', true],
  ['**/x.bin', 'a/b/x.bin', true],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['a/**/b', 'a/x/y/c', false],
  ['*', '.hidden', true],
  ['[ab].txt', 'a.txt', false],
  ['(x+x+)+y', 'xxxxxxxxxxxx', false],
])('%s and %s: %o', (pattern, path, expected) => {
  expect(matcherOf([pattern])(path)).toBe(expected)
})

test('no pattern matches nothing', () => {
  expect(matcherOf([])('a')).toBe(false)
})

test('agrees with a regular expression on any name', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(letters, name, (pattern, path) => {
      const source = pattern.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')
      expect(matcherOf([pattern])(path)).toBe(new RegExp(`^${source}$`).test(path))
    }),
    { numRuns: 2_000 },
  )
})
