import { createHash, randomInt } from 'node:crypto'

/** Of this package's making, so that ids of points are not those of another program. */
const NAMESPACE = Buffer.from('6f1d4c0e5a7b4e9c8d2f3a1b0c9e8d7f', 'hex')

/** UUID version 5 (RFC 9562): the same id always has the same point. */
export function pointId(id: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(id).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** 52 random bits: no writer draws a number that another one drew for the same document. */
export function newStamp(): number {
  // randomInt takes ranges below 2^48
  return randomInt(2 ** 26) * 2 ** 26 + randomInt(2 ** 26) + 1
}
