import { throwFault } from '../host/engine-fault.js'
import { type ByteReader, safeNumber } from './byte-reader.js'

/** Field numbers. Source: onnx/onnx.proto (ModelProto, GraphProto, TensorProto, StringStringEntryProto). */
const model = { graph: 7 }
const graph = { initializer: 5 }
const tensor = { externalData: 13 }
const entry = { key: 1, value: 2 }

/** Data of the model in another file, beside it. */
export interface ExternalData {
  /** A path, relative to the model's folder. */
  readonly location: string
  /** The least size that the file must have. */
  readonly endBytes: number
}

interface Field {
  readonly number: number
  readonly wireType: number
  /** Where its content ends; of a varint or a fixed number, where it ends itself. */
  readonly end: number
}

/**
 * Checks that an ONNX file is a protobuf message with a graph whose lengths are those of the file, and answers the files that its weights are in.
 * Only the skeleton is read: what is inside the nodes shows at the load.
 */
export function checkOnnx(reader: ByteReader): readonly ExternalData[] {
  const externals: ExternalData[] = []
  let graphs = 0
  eachField(reader, reader.end, 'the model', (field) => {
    if (field.number !== model.graph || field.wireType !== 2) return
    graphs += 1
    eachField(reader, field.end, 'the graph', (inner) => {
      if (inner.number === graph.initializer && inner.wireType === 2)
        readInitializer(reader, inner.end, externals)
    })
  })
  if (graphs !== 1) throwFault('MODEL_CORRUPT', `expected one graph in the ONNX model, got ${graphs}`)
  return externals
}

function readInitializer(reader: ByteReader, end: number, externals: ExternalData[]): void {
  const entries = new Map<string, string>()
  eachField(reader, end, 'a tensor', (field) => {
    if (field.number === tensor.externalData && field.wireType === 2) readEntry(reader, field.end, entries)
  })
  const location = entries.get('location')
  if (location === undefined) return
  const endBytes = Number(entries.get('offset') ?? 0) + Number(entries.get('length') ?? 0)
  externals.push({ location, endBytes: Number.isSafeInteger(endBytes) ? endBytes : 0 })
}

function readEntry(reader: ByteReader, end: number, entries: Map<string, string>): void {
  const parts = new Map<number, string>()
  eachField(reader, end, 'an entry', (field) => {
    if (field.wireType !== 2) return
    parts.set(field.number, reader.bytes(field.end - reader.position(), 'an entry').toString('utf8'))
  })
  entries.set(parts.get(entry.key) ?? '', parts.get(entry.value) ?? '')
}

/** Calls `visit` at the start of each field's content; what it did not read is skipped. */
function eachField(reader: ByteReader, end: number, what: string, visit: (field: Field) => void): void {
  while (reader.position() < end) {
    const field = readField(reader, what)
    if (field.end > end) {
      // beyond the file, it was cut off; beyond the message around it, the lengths contradict each other
      if (field.end > reader.end) reader.skip(field.end - reader.position(), what)
      throwFault('MODEL_CORRUPT', `expected ${what} to end at ${end}, got a field that ends at ${field.end}`)
    }
    visit(field)
    reader.skip(field.end - reader.position(), what)
  }
}

function readField(reader: ByteReader, what: string): Field {
  const tag = readVarint(reader, what)
  const wireType = tag % 8
  const number = Math.floor(tag / 8)
  if (number === 0) throwFault('MODEL_CORRUPT', `expected an ONNX model, got a field 0 in ${what}`)
  if (wireType === 0) {
    readVarint(reader, what)
    return { number, wireType, end: reader.position() }
  }
  if (wireType === 1) return { number, wireType, end: reader.position() + 8 }
  if (wireType === 5) return { number, wireType, end: reader.position() + 4 }
  if (wireType !== 2) {
    throwFault('MODEL_CORRUPT', `expected an ONNX model, got wire type ${wireType} in ${what}`)
  }
  const length = readVarint(reader, what)
  return { number, wireType, end: reader.position() + length }
}

function readVarint(reader: ByteReader, what: string): number {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes(1, what)[0] ?? 0
    value |= BigInt(byte & 0x7f) << shift
    // negative numbers take ten bytes; nobody here needs their value
    if (byte < 0x80) return shift > 49n ? 0 : safeNumber(value, what)
  }
  return throwFault('MODEL_CORRUPT', `expected an ONNX model, got an endless number in ${what}`)
}
