/** Eigenvectors of a symmetric matrix, the largest eigenvalue first. */
export interface PrincipalAxes {
  values: number[]
  /** `vectors[k]` belongs to `values[k]` and has unit length. */
  vectors: Float64Array[]
}

type Matrix = Float64Array[]

const maxSweeps = 60
const negligible = 1e-24

/**
 * Cyclic Jacobi. It uses only + - * / and square roots, which IEEE 754 rounds exactly: the same input gives the
 * same bits on every machine, which a power or an exponential would not.
 */
export function principalAxes(symmetric: readonly Float64Array[]): PrincipalAxes {
  const size = symmetric.length
  const matrix: Matrix = symmetric.map((row) => Float64Array.from(row))
  const basis: Matrix = matrix.map((_, index) => {
    const axis = new Float64Array(size)
    axis[index] = 1
    return axis
  })
  for (let sweep = 0; sweep < maxSweeps && offDiagonal(matrix) > negligible; sweep += 1) {
    for (let p = 0; p < size; p += 1) {
      for (let q = p + 1; q < size; q += 1) rotate(matrix, basis, p, q)
    }
  }
  const order = matrix
    .map((row, index) => ({ value: at(row, index), index }))
    .toSorted((a, b) => b.value - a.value || a.index - b.index)
  return {
    values: order.map(({ value }) => value),
    vectors: order.map(({ index }) => pointedUp(Float64Array.from(basis, (row) => at(row, index)))),
  }
}

/** An eigenvector's sign is arbitrary; this fixes it by the largest component. */
function pointedUp(vector: Float64Array): Float64Array {
  let largest = 0
  for (const value of vector) if (Math.abs(value) > Math.abs(largest)) largest = value
  return largest < 0 ? vector.map((value) => -value) : vector
}

function offDiagonal(matrix: Matrix): number {
  let sum = 0
  matrix.forEach((row, p) => {
    for (let q = p + 1; q < row.length; q += 1) sum += at(row, q) * at(row, q)
  })
  return sum
}

function rotate(matrix: Matrix, basis: Matrix, p: number, q: number): void {
  const rowP = rowAt(matrix, p)
  const rowQ = rowAt(matrix, q)
  const pivot = at(rowP, q)
  if (pivot === 0) return
  const theta = (at(rowQ, q) - at(rowP, p)) / (2 * pivot)
  const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const cosine = 1 / Math.sqrt(tangent * tangent + 1)
  const sine = tangent * cosine
  for (const row of matrix) turn(row, p, row, q, cosine, sine)
  for (let k = 0; k < rowP.length; k += 1) turn(rowP, k, rowQ, k, cosine, sine)
  for (const row of basis) turn(row, p, row, q, cosine, sine)
}

function turn(
  first: Float64Array,
  p: number,
  second: Float64Array,
  q: number,
  cosine: number,
  sine: number,
): void {
  const x = at(first, p)
  const y = at(second, q)
  first[p] = cosine * x - sine * y
  second[q] = sine * x + cosine * y
}

function at(values: Float64Array, index: number): number {
  return values[index] ?? 0
}

function rowAt(matrix: Matrix, index: number): Float64Array {
  const row = matrix[index]
  if (row === undefined) throw new RangeError(`the matrix has no row ${index}`)
  return row
}
