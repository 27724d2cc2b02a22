import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDuration } from '../src/duration.js'

test.each([
  [0, 0],
  [1500, 1500],
  ['250ms', 250],
  ['30s', 30_000],
  ['1.5s', 1_500],
  ['2m', 120_000],
  ['24h', 86_400_000],
  ['7d', 604_800_000],
] as const)('%j is %d ms', (given, ms) => {
  expect(parseDuration(given)).toBe(ms)
})

test.each([
  '24',
  '-5m',
  '24x',
  '',
  ' 5m',
  '5 m',
  '5M',
  '1e3s',
  '.5s',
  's',
  Number.NaN,
  -1,
  Infinity,
  null,
  undefined,
  {},
  true,
])('refuses %j and says what came', (given) => {
  expect(() => parseDuration(given as never)).toThrow(/^expected a duration .*got /)
})

test('refuses more milliseconds than a number can count', () => {
  expect(() => parseDuration('999999999999999d')).toThrow(/expected a duration/)
})

test('a whole number of a unit is that many milliseconds, for every unit', () => {
  const units = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 } as const
  const unit = fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[]))
  fc.assert(
    fc.property(fc.nat(1e6), unit, (amount, name) => {
      expect(parseDuration(`${amount}${name}`)).toBe(amount * units[name])
    }),
  )
})
