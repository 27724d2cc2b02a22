import { expect, test } from 'vitest'
import { createLedger } from '../src/ledger.js'

test('bytes are counted once per owner, and a corrected size takes the place of the reserved one', () => {
  const ledger = createLedger<string>('process', 100)
  ledger.reserve('a', 60)
  ledger.correct('a', 40)
  ledger.reserve('b', 60)
  expect([ledger.total(), ledger.free(), ledger.bytesOf('a')]).toEqual([100, 0, 40])
  ledger.release('a')
  expect([ledger.total(), ledger.free(), ledger.bytesOf('a')]).toEqual([60, 40, 0])
})

test('nothing beyond the limit can be reserved, what others hold included', () => {
  const ledger = createLedger<string>('process', 100)
  ledger.outside = 50
  expect(() => ledger.reserve('a', 51)).toThrow(RangeError)
  ledger.reserve('a', 50)
  expect(() => ledger.reserve('b', 1)).toThrow(RangeError)
  expect(ledger.total()).toBe(100)
})

test('the peak is the most that was ever counted, also after it is free again', () => {
  const ledger = createLedger<string>('process', null)
  ledger.reserve('a', 70)
  ledger.release('a')
  ledger.reserve('b', 10)
  expect(ledger.peak()).toBe(70)
  ledger.outside = 80
  ledger.outside = 0
  expect([ledger.peak(), ledger.free()]).toEqual([90, Number.POSITIVE_INFINITY])
})
