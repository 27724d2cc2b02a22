import { NonRetryableError } from '@mcp-worker/runtime'
import { createArrayScanner, isSpace, NEWLINE, OPENING } from './json-bytes.js'

/** One JSON document per line, or one JSON array. */
export type DocumentsFormat = 'lines' | 'array'

/** As many bytes as `refuseForeign` looks at. */
export const HEAD_BYTES = 4
const BYTE_ORDER_MARK = 'efbbbf'

const convert = (from: string) => `Convert it: iconv -f ${from} -t UTF-8`
const UNPACK = 'unpack it first'

/** What a file begins with, in hexadecimal, that is surely no UTF-8 text of JSON; a dot is any digit. The first that matches counts. */
const FOREIGN: readonly (readonly [pattern: RegExp, came: string, remedy: string])[] = [
  [/^fffe0000/, 'UTF-32 (little endian)', convert('UTF-32')],
  [/^0000feff/, 'UTF-32 (big endian)', convert('UTF-32')],
  [/^fffe/, 'UTF-16 (little endian)', convert('UTF-16')],
  [/^feff/, 'UTF-16 (big endian)', convert('UTF-16')],
  [/^(?!00)..000000/, 'UTF-32 (little endian)', convert('UTF-32LE')],
  [/^000000(?!00)../, 'UTF-32 (big endian)', convert('UTF-32BE')],
  [/^(?!00)..00/, 'UTF-16 (little endian)', convert('UTF-16LE')],
  [/^00(?!00)../, 'UTF-16 (big endian)', convert('UTF-16BE')],
  [/^1f8b/, 'a gzip archive', UNPACK],
  [/^28b52ffd/, 'a zstd archive', UNPACK],
  [/^504b0304/, 'a zip archive', UNPACK],
  [/^50415231/, 'a Parquet file', 'export it as JSON lines'],
]

/** Throws `DOCUMENTS_REF_FORMAT` where a file is in another encoding, or is no text: each of its documents would fail. */
export function refuseForeign(ref: string, head: Buffer): void {
  const digits = head.toString('hex')
  const foreign = FOREIGN.find(([pattern]) => pattern.test(digits))
  if (foreign === undefined) return
  const [, came, remedy] = foreign
  throw new NonRetryableError(
    `documents_ref ${JSON.stringify(ref)}: expected UTF-8, one JSON document per line or one JSON array, got ${came}: ${remedy}`,
    { code: 'DOCUMENTS_REF_FORMAT' },
  )
}

/** How many bytes of a byte order mark a file begins with. */
export function markLength(head: Buffer): number {
  return head.toString('hex').startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length / 2 : 0
}

export interface FormatDetector {
  /** null: it needs the next piece too. */
  push(piece: Buffer): DocumentsFormat | null
  /** The file had no more. */
  end(): DocumentsFormat
}

/**
 * A file is an array if it begins with `[` and its first line does not speak against it: by ending within a string, by ending where no array can go
 * on as the next line does, or by being a whole array that other lines follow. So a wrong first line of JSONL does not swallow the others. A line
 * longer than `maxBytes` can be no document.
 */
export function createFormatDetector(maxBytes: number): FormatDetector {
  const scanner = createArrayScanner()
  let size = 0
  let opened = false
  let lineEnded = false
  /** The last byte that is no white space. */
  let last = 0

  const atSpace = (byte: number): DocumentsFormat | null => {
    if (opened && scanner.isInString()) return byte === NEWLINE ? 'lines' : null
    lineEnded ||= opened && byte === NEWLINE
    return null
  }
  const atSign = (byte: number): DocumentsFormat | null => {
    if (!opened) {
      opened = true
      last = byte
      return byte === OPENING ? null : 'lines'
    }
    if (scanner.isClosed()) return lineEnded ? 'lines' : 'array'
    if (lineEnded) return mayFollow(last, byte) ? 'array' : 'lines'
    scanner.step(byte)
    last = byte
    return null
  }
  const step = (byte: number): DocumentsFormat | null => {
    if (!isSpace(byte)) return atSign(byte)
    // an escape is over, whatever it escapes
    if (scanner.isInString()) scanner.step(byte)
    return atSpace(byte)
  }
  return {
    push(piece) {
      for (const byte of piece) {
        const format = step(byte)
        if (format !== null) return format
      }
      size += piece.length
      return opened && size > maxBytes ? 'array' : null
    },
    end: () => (opened ? 'array' : 'lines'),
  }
}

/** In an array: after a value comes a comma, a colon or the end of something; anything may come after the signs before a value. */
function mayFollow(last: number, next: number): boolean {
  return '[{,:'.includes(String.fromCharCode(last)) || ',:]}'.includes(String.fromCharCode(next))
}
