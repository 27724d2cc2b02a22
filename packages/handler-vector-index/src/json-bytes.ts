export const NEWLINE = 0x0a
export const OPENING = 0x5b

/** White space as JSON has it. */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09
}

export function countNewlines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}

export type ArrayScanner = ReturnType<typeof createArrayScanner>

/** Follows strings and nesting inside an array whose opening bracket has been read. */
export function createArrayScanner() {
  let depth = 0
  let inString = false
  let escaped = false
  let closed = false

  const stepInString = (byte: number): void => {
    if (escaped) escaped = false
    else if (byte === 0x5c) escaped = true
    else if (byte === 0x22) inString = false
  }
  const stepOutside = (byte: number): boolean => {
    if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === OPENING) depth++
    else if (byte === 0x7d || byte === 0x5d) {
      closed = depth === 0 && byte === 0x5d
      // a brace too many spoils its element and not those that follow
      depth = Math.max(0, depth - 1)
    }
    return closed || (byte === 0x2c && depth === 0)
  }
  /** True at the comma or the closing bracket that ends an element of the array. */
  const step = (byte: number): boolean => {
    if (!inString) return stepOutside(byte)
    stepInString(byte)
    return false
  }
  return {
    step,
    isClosed: () => closed,
    isInString: () => inString,
    /** Scans each byte once: the next call goes on after the answer, or with the next piece after -1. */
    findEnd(piece: Buffer, from: number): number {
      for (let i = from; i < piece.length; i++) {
        if (step(piece[i] ?? 0)) return i
      }
      return -1
    },
  }
}
