import type { DocumentFault } from './faults.js'

/** The same direction at length 1, so that a dot product is the cosine; or what is wrong with it. */
export function unitVector(
  values: ArrayLike<number>,
): Float32Array | Extract<DocumentFault, 'NON_FINITE_VECTOR' | 'ZERO_VECTOR'> {
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i] ?? NaN)
    if (!Number.isFinite(size)) return 'NON_FINITE_VECTOR'
    if (size > largest) largest = size
  }
  if (largest === 0) return 'ZERO_VECTOR'
  // divided by the largest component first: squares of 1e200 or 1e-200 leave the range of a double
  let squares = 0
  for (let i = 0; i < values.length; i++) squares += ((values[i] ?? 0) / largest) ** 2
  const length = Math.sqrt(squares)
  const unit = new Float32Array(values.length)
  for (let i = 0; i < values.length; i++) unit[i] = (values[i] ?? 0) / largest / length
  return unit
}

/** The BLOB form: float32, little-endian (as every platform of Node that we support holds it), 4 × dim bytes. */
export function toBlob(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}

/** Dot product of `query` with the `row`-th vector of a row-major matrix. Four sums: the additions need not wait for each other. */
export function dotRow(matrix: Float32Array, row: number, query: Float32Array): number {
  const dim = query.length
  const base = row * dim
  const whole = dim - (dim % 4)
  let a = 0
  let b = 0
  let c = 0
  let d = 0
  for (let i = 0; i < whole; i += 4) {
    a += matrix[base + i]! * query[i]!
    b += matrix[base + i + 1]! * query[i + 1]!
    c += matrix[base + i + 2]! * query[i + 2]!
    d += matrix[base + i + 3]! * query[i + 3]!
  }
  for (let i = whole; i < dim; i++) a += matrix[base + i]! * query[i]!
  return a + b + c + d
}
