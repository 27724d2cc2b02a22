import { throwFault } from '../host/engine-fault.js'
import { type ByteReader, safeNumber } from './byte-reader.js'

/** Bytes of each scalar type of a metadata value, by its number; 8 is a string, 9 an array. Source: ggml/docs/gguf.md. */
const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, null, null, 8, 8, 8] as const
const stringType = 8
const arrayType = 9
const maxNesting = 4

/**
 * Elements and bytes of one block of each tensor type, by ggml's number. Types that are not here (they come with new versions) leave the
 * last tensor's length unknown: the file is then only held to the start of it. Source: ggml-common.h.
 */
const blocks: Readonly<Record<number, readonly [elements: number, bytes: number]>> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  9: [32, 36],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  15: [256, 292],
  24: [1, 1],
  25: [1, 2],
  26: [1, 4],
  27: [1, 8],
  28: [1, 8],
  30: [1, 2],
}

/** Checks a GGUF file: its header and metadata can be read, and the file holds every tensor that the header names. */
export function checkGguf(reader: ByteReader): void {
  reader.skip(4, 'the magic')
  const version = reader.u32('the version')
  if (version < 2 || version > 3) {
    throwFault('MODEL_UNSUPPORTED', `expected GGUF version 2 or 3, got ${version}`)
  }
  const tensorCount = reader.u64('the number of tensors')
  const entryCount = reader.u64('the number of metadata entries')
  let alignment = 32
  for (let entry = 0; entry < entryCount; entry += 1) {
    const key = readString(reader, 'a metadata key')
    const type = reader.u32(`the type of ${key}`)
    if (key === 'general.alignment' && type === 4) alignment = reader.u32(key)
    else skipValue(reader, type, key, 0)
  }
  if (alignment === 0 || alignment % 8 !== 0) {
    throwFault('MODEL_CORRUPT', `expected a multiple of 8 as general.alignment, got ${alignment}`)
  }
  let dataBytes = 0
  for (let tensor = 0; tensor < tensorCount; tensor += 1) {
    dataBytes = Math.max(dataBytes, readTensorEnd(reader))
  }
  const padding = (alignment - (reader.position() % alignment)) % alignment
  if (dataBytes > 0) reader.skip(padding + dataBytes, 'the tensors')
}

function readString(reader: ByteReader, what: string): string {
  const length = reader.u64(`the length of ${what}`)
  if (length > 65_535) throwFault('MODEL_CORRUPT', `expected at most 65535 bytes for ${what}, got ${length}`)
  return reader.bytes(length, what).toString('utf8')
}

function skipValue(reader: ByteReader, type: number, key: string, depth: number): void {
  const what = `the value of ${key}`
  if (type === stringType) return reader.skip(reader.u64(what), what)
  if (type === arrayType && depth < maxNesting) {
    const itemType = reader.u32(what)
    const count = reader.u64(what)
    const itemBytes = scalarBytes[itemType]
    if (typeof itemBytes === 'number') return reader.skip(count * itemBytes, what)
    for (let item = 0; item < count; item += 1) skipValue(reader, itemType, key, depth + 1)
    return
  }
  const bytes = scalarBytes[type]
  if (typeof bytes !== 'number') {
    throwFault('MODEL_CORRUPT', `expected a value type of GGUF for ${key}, got ${type}`)
  }
  reader.skip(bytes, what)
}

/** Where the tensor ends, from the start of the data. */
function readTensorEnd(reader: ByteReader): number {
  const name = readString(reader, "a tensor's name")
  const dimensions = reader.u32(`the dimensions of ${name}`)
  if (dimensions > 4)
    throwFault('MODEL_CORRUPT', `expected at most 4 dimensions of ${name}, got ${dimensions}`)
  let elements = 1
  for (let d = 0; d < dimensions; d += 1) elements *= reader.u64(`the dimensions of ${name}`)
  const block = blocks[reader.u32(`the type of ${name}`)]
  const offset = safeNumber(reader.bytes(8, `the place of ${name}`).readBigUInt64LE(), name)
  return offset + (block ? Math.ceil(elements / block[0]) * block[1] : 0)
}
