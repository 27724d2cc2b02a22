import { expect, test } from 'vitest'
import { givenFeeds, hasOpenDimensions, type InputShape, zeroFeeds } from '../../src/engines/onnx/feeds.js'

const text: InputShape = { name: 'input_ids', type: 'int64', shape: ['batch', 'sequence'] }
const image: InputShape = { name: 'image', type: 'float32', shape: [1, 3, 2, 2] }
const label: InputShape = { name: 'label', type: 'string', shape: ['batch'] }

test('fills fixed shapes and batches of one with zeros, other open dimensions as asked', () => {
  const [ids, pixels, labels] = zeroFeeds([text, image, label], 16)
  expect(ids).toEqual({ name: 'input_ids', type: 'int64', dims: [1, 16], data: new BigInt64Array(16) })
  expect(pixels?.dims).toEqual([1, 3, 2, 2])
  expect(labels?.data).toEqual([''])
  expect(hasOpenDimensions([text])).toBe(true)
  expect(hasOpenDimensions([image, label])).toBe(false)
})

test('takes data in the place of zeros, the last open dimension as long as they are', () => {
  const [ids, pixels] = givenFeeds([text, image], { input_ids: [101, '9007199254740993', 102] })
  expect(ids?.dims).toEqual([1, 3])
  expect(ids?.data).toEqual(BigInt64Array.of(101n, 9_007_199_254_740_993n, 102n))
  expect(pixels?.data).toEqual(new Float32Array(12))
})

test('takes a shape alone, and a shape with its data', () => {
  const [shaped] = givenFeeds([text], { input_ids: { shape: [2, 8] } })
  expect(shaped).toMatchObject({ dims: [2, 8], data: new BigInt64Array(16) })
  const [both] = givenFeeds([text], { input_ids: { shape: [2, 2], data: [1, 2, 3, 4] } })
  expect(both).toMatchObject({ dims: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) })
})

test.each([
  ['a list in place of names', [1, 2], /an object of inputs by name/],
  ['a name that the model has not', { ids: [1] }, /inputs of input_ids.*got "ids"/],
  ['data that the shape does not hold', { input_ids: { shape: [1, 2], data: [1] } }, /expected 2 values/],
  ['fractions for whole numbers', { input_ids: [1.5] }, /whole numbers/],
  ['a shape of something else', { input_ids: { shape: ['a'] } }, /whole numbers as the shape/],
  ['a shape without end', { input_ids: { shape: [1e9, 1e9] } }, /at most/],
  ['a number for an input', { input_ids: 3 }, /a list or \{ shape, data \}/],
])('refuses %s', (_what, given, message) => {
  expect(() => givenFeeds([text], given)).toThrow(message)
})

test('refuses texts for numbers and types that cannot be filled', () => {
  expect(() => givenFeeds([image], { image: Array.from({ length: 12 }, () => 'x') })).toThrow(
    /expected numbers/,
  )
  expect(() => zeroFeeds([{ name: 'c', type: 'complex64', shape: [1] }], 1)).toThrow(/complex64/)
})
