import { isUtf8 } from 'node:buffer'

/** The text of the bytes, or the index of the first byte that is not UTF-8: what Node.js makes U+FFFD of would not be what was written. */
export function decodeUtf8(bytes: Buffer): string | number {
  const text = bytes.toString('utf8')
  return isUtf8(bytes) ? text : firstInvalid(bytes, text)
}

const REPLACEMENT = '\uFFFD'

/** The first U+FFFD of the text that is not one in the bytes. */
function firstInvalid(bytes: Buffer, text: string): number {
  let offset = 0
  let from = 0
  for (;;) {
    const found = text.indexOf(REPLACEMENT, from)
    offset += Buffer.byteLength(text.slice(from, found))
    if (bytes.toString('latin1', offset, offset + 3) !== '\xEF\xBF\xBD') return offset
    offset += 3
    from = found + 1
  }
}
