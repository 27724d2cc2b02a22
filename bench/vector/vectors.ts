import { createRandom } from '../queue/random.ts'
import type { Batch } from './engine.ts'

/** As the built-in embedder and MiniLM have it. */
export const DIMENSION = 384
/** Vectors around one centre. */
const CLUSTER_SIZE = 250
/** Of a component, beside 1 for the centres: two vectors of a cluster have a cosine of about .8. */
const CLUSTER_SPREAD = 0.5

/** `isotropic`: all directions are equally likely, so that all vectors are about equally far. `clustered`: around centres, as texts are. */
export type Shape = 'isotropic' | 'clustered'

/** Unit vectors, row-major, and questions of the same distribution; they follow from the seed. */
export function makeVectors(shape: Shape, count: number, questions: number, seed: number) {
  const random = createRandom(seed)
  const centres =
    shape === 'clustered' ? gaussians(Math.ceil(count / CLUSTER_SIZE) * DIMENSION, random) : null
  const all = gaussians((count + questions) * DIMENSION, random)
  for (let row = 0; row < count + questions; row++) {
    if (centres) {
      const centre = Math.floor((random() * centres.length) / DIMENSION) * DIMENSION
      for (let d = 0; d < DIMENSION; d++) {
        const at = row * DIMENSION + d
        all[at] = all[at]! * CLUSTER_SPREAD + centres[centre + d]!
      }
    }
    normalise(rowOf(all, row))
  }
  const stored = all.subarray(0, count * DIMENSION)
  return { stored, questions: Array.from({ length: questions }, (_, i) => rowOf(all, count + i)) }
}

export function rowOf(matrix: Float32Array, row: number): Float32Array {
  return matrix.subarray(row * DIMENSION, (row + 1) * DIMENSION)
}

export function idOf(row: number): string {
  return `doc-${row}`
}

/** Rows `from` up to `to` of a matrix. */
function batchOf(matrix: Float32Array, from: number, to: number): Batch {
  const ids = Array.from({ length: to - from }, (_, i) => idOf(from + i))
  return { ids, vectors: matrix.subarray(from * DIMENSION, to * DIMENSION) }
}

export function* batchesOf(matrix: Float32Array, size: number, from: number, to: number): Generator<Batch> {
  for (let start = from; start < to; start += size) yield batchOf(matrix, start, Math.min(start + size, to))
}

/** Standard normal numbers (Box and Muller). */
function gaussians(count: number, random: () => number): Float32Array {
  const values = new Float32Array(count + (count % 2))
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()))
    const angle = 2 * Math.PI * random()
    values[i] = radius * Math.cos(angle)
    values[i + 1] = radius * Math.sin(angle)
  }
  return values
}

function normalise(vector: Float32Array): void {
  const length = Math.sqrt(dot(vector, vector))
  for (let d = 0; d < vector.length; d++) vector[d] = vector[d]! / length
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let d = 0; d < a.length; d++) sum += a[d]! * b[d]!
  return sum
}
