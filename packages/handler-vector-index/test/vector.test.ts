import { expect, test } from 'vitest'
import { dotRow, unitVector } from '../src/vector.js'

test('a vector is brought to length 1, also where its squares leave the range of a double', () => {
  for (const scale of [1, 1e-200, 1e200, 1e-320]) {
    const unit = unitVector([3 * scale, -4 * scale])
    expect(unit).toBeInstanceOf(Float32Array)
    expect(unit[0]).toBeCloseTo(0.6, scale === 1e-320 ? 2 : 6)
    expect(unit[1]).toBeCloseTo(-0.8, scale === 1e-320 ? 2 : 6)
  }
})

test('a component that is not finite and a zero vector are named', () => {
  expect(unitVector([1, Number.NaN])).toBe('NON_FINITE_VECTOR')
  expect(unitVector([1, Number.POSITIVE_INFINITY])).toBe('NON_FINITE_VECTOR')
  expect(unitVector([0, 0])).toBe('ZERO_VECTOR')
  expect(unitVector([])).toBe('ZERO_VECTOR')
})

test('the dot product is right for every remainder of four', () => {
  for (let dim = 1; dim <= 9; dim++) {
    const matrix = Float32Array.from({ length: dim * 3 }, (_, i) => i + 1)
    const query = Float32Array.from({ length: dim }, (_, i) => 2 * i - 3)
    for (let row = 0; row < 3; row++) {
      const expected = query.reduce((sum, value, i) => sum + value * (row * dim + i + 1), 0)
      expect(dotRow(matrix, row, query)).toBe(expected)
    }
  }
})
