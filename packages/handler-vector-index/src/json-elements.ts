/** One top-level element of a JSON array, or one line of JSONL, as text. null: larger than `maxBytes`, and was not kept. */
export type JsonElement = string | null

export interface ElementSplitter {
  /** The elements that this piece completes. */
  push(piece: Buffer): readonly JsonElement[]
  /** What is left at the end of the file. */
  end(): readonly JsonElement[]
}

/**
 * Splits a file into its elements, holding one element (at most `maxBytes`) and one piece at a time. A file that begins with `[` is one JSON
 * array, else each line that is not blank is an element. Nothing is parsed here: a broken element comes out as its text.
 */
export function createElementSplitter(maxBytes: number): ElementSplitter {
  let splitter: ElementSplitter | null = null
  return {
    push(piece) {
      if (splitter !== null) return splitter.push(piece)
      const start = contentStart(piece)
      if (start === piece.length) return []
      const isArray = piece[start] === 0x5b
      splitter = isArray ? createArraySplitter(maxBytes) : createLineSplitter(maxBytes)
      return splitter.push(piece.subarray(isArray ? start + 1 : start))
    },
    end: () => splitter?.end() ?? [],
  }
}

/** After a byte order mark and white space. */
function contentStart(piece: Buffer): number {
  let start = piece[0] === 0xef && piece[1] === 0xbb && piece[2] === 0xbf ? 3 : 0
  while (start < piece.length && isSpace(piece[start])) start++
  return start
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Collects the bytes of one element across pieces, up to a limit. */
function createCollector(maxBytes: number) {
  let parts: Buffer[] = []
  let size = 0
  return {
    /** `part` may be reused by the caller afterwards, so it is copied. */
    keep(part: Buffer): void {
      size += part.length
      if (size <= maxBytes) parts.push(Buffer.from(part))
      else parts = []
    },
    /** The element that ends with `part`; undefined where it is blank. */
    finish(part: Buffer): JsonElement | undefined {
      const total = size + part.length
      const text = total > maxBytes ? null : decode(parts, part)
      parts = []
      size = 0
      return text === '' ? undefined : text
    },
  }
}

function decode(parts: readonly Buffer[], last: Buffer): string {
  const whole = parts.length === 0 ? last : Buffer.concat([...parts, last])
  return whole.toString('utf8').trim()
}

function present(element: JsonElement | undefined): readonly JsonElement[] {
  return element === undefined ? [] : [element]
}

function createLineSplitter(maxBytes: number): ElementSplitter {
  const collector = createCollector(maxBytes)
  return {
    push(piece) {
      const elements: JsonElement[] = []
      let start = 0
      for (let end = piece.indexOf(0x0a); end !== -1; end = piece.indexOf(0x0a, start)) {
        elements.push(...present(collector.finish(piece.subarray(start, end))))
        start = end + 1
      }
      collector.keep(piece.subarray(start))
      return elements
    },
    end: () => present(collector.finish(Buffer.alloc(0))),
  }
}

function createArraySplitter(maxBytes: number): ElementSplitter {
  const collector = createCollector(maxBytes)
  const scanner = createArrayScanner()
  return {
    push(piece) {
      const elements: JsonElement[] = []
      let start = 0
      while (!scanner.isClosed()) {
        const end = scanner.findEnd(piece, start)
        if (end === -1) break
        elements.push(...present(collector.finish(piece.subarray(start, end))))
        start = end + 1
      }
      // what follows the array is kept, so that anything but white space comes out of end() as one broken element
      collector.keep(piece.subarray(start))
      return elements
    },
    end() {
      const rest = collector.finish(Buffer.alloc(0))
      if (!scanner.isClosed()) return [...present(rest), 'the array is not closed']
      return rest === undefined ? [] : [`after the array: ${rest?.slice(0, 100)}`]
    },
  }
}

/** Follows strings and nesting inside an array whose opening bracket has been read. */
function createArrayScanner() {
  let depth = 0
  let inString = false
  let escaped = false
  let closed = false

  const stepInString = (byte: number): void => {
    if (escaped) escaped = false
    else if (byte === 0x5c) escaped = true
    else if (byte === 0x22) inString = false
  }
  /** True at the comma or the closing bracket that ends an element of the array. */
  const step = (byte: number): boolean => {
    if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      closed = depth === 0 && byte === 0x5d
      depth--
    }
    return closed || (byte === 0x2c && depth === 0)
  }
  return {
    isClosed: () => closed,
    /** Scans each byte once: the next call goes on after the answer, or with the next piece after -1. */
    findEnd(piece: Buffer, from: number): number {
      for (let i = from; i < piece.length; i++) {
        const byte = piece[i] ?? 0
        if (inString) stepInString(byte)
        else if (step(byte)) return i
      }
      return -1
    },
  }
}
