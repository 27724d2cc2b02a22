import type { DocumentsFormat } from './documents-format.js'
import type { DocumentFault } from './faults.js'
import { countNewlines, createArrayScanner, isSpace, NEWLINE, OPENING } from './json-bytes.js'
import { decodeUtf8 } from './utf8.js'

/** One top-level element of a JSON array, or one line of JSONL. */
export type JsonElement = Held & {
  /** On which it begins, from 1. */
  readonly line: number
}

type Held = { readonly text: string } | { readonly fault: DocumentFault; readonly detail: string }

/**
 * Elements are cut out as they are read, each answer to its end before the next call: what is made of a whole piece at once outlives the young generation,
 * and cost a fifth of a task.
 */
export interface ElementSplitter {
  /** The elements that this piece completes. */
  push(piece: Buffer): Iterable<JsonElement>
  /** What is left at the end of the file. */
  end(): Iterable<JsonElement>
}

export interface SplitterOptions {
  readonly format: DocumentsFormat
  /** Of one element. */
  readonly maxBytes: number
  /** Of the first piece in the file. Default 0. */
  readonly offset?: number
}

/**
 * Splits a file into its elements, holding one element (at most `maxBytes`) and one piece at a time. Lines that are blank are left out. Nothing is
 * parsed here: a broken element comes out as its text.
 */
export function createElementSplitter({ format, maxBytes, offset = 0 }: SplitterOptions): ElementSplitter {
  const collector = createCollector(maxBytes, offset)
  return format === 'array' ? createArraySplitter(collector) : createLineSplitter(collector)
}

type Collector = ReturnType<typeof createCollector>

/** Collects the bytes of one element across pieces, up to a limit. `offset`: of the first byte in the file. */
function createCollector(maxBytes: number, offset: number) {
  let parts: Buffer[] = []
  let size = 0
  let lines = 1
  /** The line of the first byte that is no white space; null: none came yet. */
  let begun: number | null = null

  const note = (part: Buffer): void => {
    size += part.length
    if (begun === null) {
      const start = part.findIndex((byte) => !isSpace(byte))
      if (start !== -1) begun = lines + countNewlines(part.subarray(0, start))
    }
    lines += countNewlines(part)
  }
  return {
    /** `part` may be reused by the caller afterwards, so it is copied. */
    keep(part: Buffer): void {
      note(part)
      if (size <= maxBytes) parts.push(Buffer.from(part))
      else parts = []
    },
    /** The element that ends with `part`, before `delimiter`; undefined where it is blank. */
    finish(part: Buffer, delimiter: number | undefined): JsonElement | undefined {
      note(part)
      const whole = parts.length === 0 ? part : Buffer.concat([...parts, part])
      const held = size > maxBytes ? tooLarge(size, maxBytes) : textIn(whole, offset)
      const element = begun === null || held === null ? undefined : { line: begun, ...held }
      offset += size + 1
      if (delimiter === NEWLINE) lines++
      parts = []
      size = 0
      begun = null
      return element
    },
    line: () => lines,
  }
}

function tooLarge(size: number, maxBytes: number): Held {
  return { fault: 'DOCUMENT_TOO_LARGE', detail: `expected at most ${maxBytes} bytes of JSON, got ${size}` }
}

/** null: there is nothing but white space, and the byte order marks of files that were joined. */
function textIn(bytes: Buffer, offset: number): Held | null {
  const text = decodeUtf8(bytes)
  if (typeof text === 'string') return text.trim() === '' ? null : { text: text.trim() }
  const byte = bytes.toString('hex', text, text + 1)
  return {
    fault: 'INVALID_UTF8',
    detail: `byte 0x${byte} at offset ${offset + text} of the file is not UTF-8`,
  }
}

const NOTHING = Buffer.alloc(0)

function present(element: JsonElement | undefined): readonly JsonElement[] {
  return element === undefined ? [] : [element]
}

function createLineSplitter(collector: Collector): ElementSplitter {
  return {
    *push(piece) {
      let start = 0
      for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, start)) {
        const element = collector.finish(piece.subarray(start, end), NEWLINE)
        if (element !== undefined) yield element
        start = end + 1
      }
      collector.keep(piece.subarray(start))
    },
    end: () => present(collector.finish(NOTHING, undefined)),
  }
}

function broken(line: number, detail: string): JsonElement {
  return { line, fault: 'INVALID_JSON', detail }
}

function createArraySplitter(collector: Collector): ElementSplitter {
  const scanner = createArrayScanner()
  let opened = false
  let count = 0
  const finish = (part: Buffer, delimiter: number | undefined): readonly JsonElement[] => {
    const element = collector.finish(part, delimiter)
    count++
    if (element !== undefined) return [element]
    if (!scanner.isClosed()) return [broken(collector.line(), 'there is nothing between two commas')]
    return count === 1 ? [] : [broken(collector.line(), 'there is nothing after the last comma')]
  }
  return {
    *push(piece) {
      let start = 0
      if (!opened) {
        start = piece.indexOf(OPENING) + 1
        opened = start > 0
        if (opened) collector.finish(piece.subarray(0, start - 1), OPENING)
      }
      let end = opened && !scanner.isClosed() ? scanner.findEnd(piece, start) : -1
      while (end !== -1) {
        yield* finish(piece.subarray(start, end), piece[end])
        start = end + 1
        end = scanner.isClosed() ? -1 : scanner.findEnd(piece, start)
      }
      // what follows the array is kept, so that anything but white space comes out of end() as one broken element
      collector.keep(piece.subarray(start))
    },
    end() {
      const rest = present(collector.finish(NOTHING, undefined))
      if (!scanner.isClosed()) {
        return [...rest, broken(collector.line(), 'the array is not closed: the file is cut off')]
      }
      return rest.map(({ line }) => broken(line, 'after the end of the array nothing more was expected'))
    },
  }
}
