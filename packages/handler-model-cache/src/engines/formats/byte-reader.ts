import { readSync } from 'node:fs'
import { throwFault } from '../host/engine-fault.js'

const windowBytes = 65_536

/** Reads small things anywhere in a file, synchronously: for threads. Reading or skipping past `end` is MODEL_TRUNCATED. */
export interface ByteReader {
  position(): number
  /** The file's size. */
  readonly end: number
  /** @param what is read, for the message: `the header` */
  bytes(count: number, what: string): Buffer
  u32(what: string): number
  /** MODEL_CORRUPT where it is more than a number holds exactly. */
  u64(what: string): number
  skip(count: number, what: string): void
}

export function createByteReader(fd: number, end: number): ByteReader {
  let position = 0
  let window: Buffer = Buffer.alloc(0)
  let windowStart = 0

  function need(count: number, what: string): void {
    if (position + count > end) {
      throwFault(
        'MODEL_TRUNCATED',
        `expected ${position + count} bytes or more to hold ${what}, got a file of ${end}`,
      )
    }
  }
  function bytes(count: number, what: string): Buffer {
    need(count, what)
    if (position < windowStart || position + count > windowStart + window.length) {
      window = Buffer.alloc(Math.min(Math.max(count, windowBytes), end - position))
      windowStart = position
      readFully(fd, window, position)
    }
    const start = position - windowStart
    position += count
    return window.subarray(start, start + count)
  }
  return {
    position: () => position,
    end,
    bytes,
    u32: (what) => bytes(4, what).readUInt32LE(),
    u64: (what) => safeNumber(bytes(8, what).readBigUInt64LE(), what),
    skip(count, what) {
      need(count, what)
      position += count
    },
  }
}

export function safeNumber(value: bigint, what: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throwFault('MODEL_CORRUPT', `expected a length that a file can have for ${what}, got ${value}`)
  }
  return Number(value)
}

function readFully(fd: number, buffer: Buffer, position: number): void {
  let done = 0
  while (done < buffer.length) {
    const count = readSync(fd, buffer, done, buffer.length - done, position + done)
    if (count === 0)
      throwFault('MODEL_TRUNCATED', `expected ${buffer.length} bytes at ${position}, got ${done}`)
    done += count
  }
}
