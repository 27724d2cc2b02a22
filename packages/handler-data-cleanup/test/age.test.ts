import { expect, test } from 'vitest'
import { ageSchema, parseAge } from '../src/age.js'
import { payloadSchema } from '../src/payload.js'

test('an age is a whole, positive number with its unit', () => {
  expect(parseAge('30s')).toBe(30_000)
  expect(parseAge('45m')).toBe(2_700_000)
  expect(parseAge('24h')).toBe(86_400_000)
  expect(parseAge('7d')).toBe(604_800_000)
  expect(parseAge('36500d')).toBe(36_500 * 86_400_000)
})

const BAD: readonly unknown[] = [
  '24',
  '-5m',
  '24x',
  '',
  '0s',
  '00h',
  '1.5h',
  ' 24h',
  '24h ',
  '24 h',
  '24H',
  '24ms',
  '1w',
  '+1h',
  '1e3s',
  'Infinityh',
  'NaN',
  '24h\n',
  '٢٤h',
  '24h0',
  '36501d',
  '999999999999d',
  '24hh',
  'h',
  '0x10h',
  24,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0,
  null,
  true,
  ['24h'],
  { value: '24h' },
  24n,
]

test.each(BAD)('refuses %o as an age', (given) => {
  expect(ageSchema.safeParse(given).success).toBe(false)
  expect(payloadSchema.safeParse({ target: 'temp_files', older_than: given }).success).toBe(false)
})

test('says what an age looks like', () => {
  expect(ageSchema.safeParse('24').error?.issues[0]?.message).toMatch(/"24h"/)
})
