import type { ChunkOptions } from './options.js'

/** Where a chunk may end, best first: after a paragraph, a sentence or line, a word. */
const ENDS: readonly RegExp[] = [/\n\s*\n/g, /[.!?](?=\s)|[。！？\n]/g, /\s/g]

export interface CutText {
  readonly texts: readonly string[]
  /** One less than texts: what makes the whole of them, see `joinTexts`. JSON. */
  readonly joints: string
}

/**
 * Cuts a text into chunks of at most `size` characters that overlap by at most `overlap`, at the end of a paragraph, a sentence or a word where
 * one lies in the second half of the chunk, and never inside a surrogate pair. The text and its chunks are trimmed; no chunk means an empty text.
 */
export function cutText(given: string, { size, overlap }: ChunkOptions): CutText {
  const text = given.trim()
  const texts: string[] = []
  const joints: (number | string)[] = []
  /** Up to where the chunks so far reach. */
  let covered = 0
  const keep = (start: number, end: number): void => {
    const chunk = text.slice(start, end).trim()
    if (chunk === '') return
    const from = start + leadingSpace(text.slice(start, end))
    if (texts.length > 0) joints.push(from < covered ? covered - from : text.slice(covered, from))
    texts.push(chunk)
    covered = Math.max(covered, from + chunk.length)
  }
  let start = 0
  while (start < text.length) {
    const end = text.length - start <= size ? text.length : findEnd(text, start, size)
    keep(start, end)
    if (end === text.length) break
    start = findStart(text, end - overlap, end)
  }
  return { texts, joints: JSON.stringify(joints) }
}

/**
 * The text that was cut: each chunk goes on where those before it end. A joint is the number of characters (UTF-16 code units) by which the next
 * chunk overlaps them, or the white space between them and it.
 */
export function joinTexts(texts: readonly string[], joints: string): string {
  const parsed = JSON.parse(joints) as readonly (number | string)[]
  return texts.reduce((whole, text, i) => {
    const joint = parsed[i - 1] ?? 0
    return typeof joint === 'number' ? whole + text.slice(joint) : whole + joint + text
  }, '')
}

function leadingSpace(text: string): number {
  return text.length - text.trimStart().length
}

function findEnd(text: string, start: number, size: number): number {
  const half = start + Math.ceil(size / 2)
  const tail = text.slice(half, start + size)
  for (const pattern of ENDS) {
    const last = lastMatchEnd(tail, pattern)
    if (last !== null) return half + last
  }
  return wholeCharacter(text, start + size)
}

function lastMatchEnd(tail: string, pattern: RegExp): number | null {
  let end: number | null = null
  for (const match of tail.matchAll(pattern)) end = match.index + match[0].length
  return end
}

/** The start of a word between `from` and `end`, so that an overlap does not begin in the middle of one. */
function findStart(text: string, from: number, end: number): number {
  if (from >= end) return end
  const space = text.slice(from, end).search(/\s/)
  if (space !== -1) return from + space + 1
  return partsPair(text, from) ? from + 1 : from
}

/** One less where `index` would part a surrogate pair. */
function wholeCharacter(text: string, index: number): number {
  return partsPair(text, index) ? index - 1 : index
}

function partsPair(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1)
  const after = text.charCodeAt(index)
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff
}
