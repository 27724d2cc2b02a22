import type { ChunkOptions } from './options.js'

/** Where a chunk may end, best first: after a paragraph, a sentence or line, a word. */
const ENDS: readonly RegExp[] = [/\n\s*\n/g, /[.!?](?=\s)|[。！？\n]/g, /\s/g]

/**
 * Cuts a text into chunks of at most `size` characters that overlap by at most `overlap`, at the end of a paragraph, a sentence or a word where
 * one lies in the second half of the chunk, and never inside a surrogate pair. Chunks are trimmed; an empty answer means an empty text.
 */
export function splitText(text: string, { size, overlap }: ChunkOptions): readonly string[] {
  const chunks: string[] = []
  let start = 0
  while (start < text.length) {
    const end = text.length - start <= size ? text.length : findEnd(text, start, size)
    const chunk = text.slice(start, end).trim()
    if (chunk !== '') chunks.push(chunk)
    if (end === text.length) break
    start = findStart(text, end - overlap, end)
  }
  return chunks
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
  return space === -1 ? wholeCharacter(text, from) : from + space + 1
}

/** One less where `index` would part a surrogate pair. */
function wholeCharacter(text: string, index: number): number {
  const before = text.charCodeAt(index - 1)
  const after = text.charCodeAt(index)
  const parts = before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff
  return parts ? index - 1 : index
}
