/**
 * Names of files are bytes, and need not be UTF-8. Here they are held as strings with one character per byte ("byte strings", latin1), so that
 * every name that `readdir` answers can be used again; people see them as UTF-8.
 */
export type ByteString = string

export function bytesOf(name: ByteString): Buffer {
  return Buffer.from(name, 'latin1')
}

/** For system calls. Where bytes and UTF-8 are the same, as nearly always, the string itself: a Buffer per call is most of the memory of a large run. */
export function callable(path: ByteString): string | Buffer {
  return ASCII.test(path) ? path : bytesOf(path)
}

// oxlint-disable-next-line no-control-regex -- the whole of ASCII
const ASCII = /^[\x01-\x7f]*$/

/** For people and for patterns. */
export function textOf(name: ByteString): string {
  return ASCII.test(name) ? name : Buffer.from(name, 'latin1').toString('utf8')
}

export function byteStringOf(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1')
}

export function pathText(parts: readonly ByteString[]): string {
  return textOf(parts.join('/'))
}

/** What a cursor may hold: one name of one folder. */
export function isPlainName(name: unknown): name is ByteString {
  return (
    typeof name === 'string' &&
    name.length > 0 &&
    name.length <= 255 &&
    name !== '.' &&
    name !== '..' &&
    !/[/\0]/.test(name)
  )
}
