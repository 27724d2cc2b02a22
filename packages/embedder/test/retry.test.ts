import { describe, expect, it } from 'vitest'
import { parseRetryAfter } from '../src/retry.js'

const now = Date.parse('2026-01-01T00:00:00Z')

describe('Retry-After', () => {
  it.each([
    ['120', 120_000],
    [' 0.5 ', 500],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j is %j ms', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected)
  })
})
