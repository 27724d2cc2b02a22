import { throwFault } from '../host/engine-fault.js'
import type { ByteReader } from './byte-reader.js'

/** The format's own limit for its header. Source: huggingface/safetensors. */
const maxHeaderBytes = 100_000_000

/** Checks a safetensors file: 8 bytes of length, a JSON header, and the tensors that it names up to the file's last byte. */
export function checkSafetensors(reader: ByteReader): void {
  const headerBytes = reader.u64('the length of the header')
  if (headerBytes > maxHeaderBytes) {
    throwFault(
      'MODEL_CORRUPT',
      `expected a safetensors header below ${maxHeaderBytes} bytes, got ${headerBytes}`,
    )
  }
  const header = parseHeader(reader.bytes(headerBytes, 'the header').toString('utf8'))
  let dataBytes = 0
  for (const [name, tensor] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const end = endOf(tensor)
    if (end === null) throwFault('MODEL_CORRUPT', `expected two data_offsets of tensor ${name}, got others`)
    dataBytes = Math.max(dataBytes, end)
  }
  reader.skip(dataBytes, 'the tensors')
  if (reader.position() !== reader.end) {
    throwFault('MODEL_CORRUPT', `expected the file to end at ${reader.position()}, got ${reader.end} bytes`)
  }
}

function parseHeader(text: string): Readonly<Record<string, unknown>> {
  try {
    const header: unknown = JSON.parse(text)
    if (typeof header === 'object' && header !== null && !Array.isArray(header)) return { ...header }
  } catch {
    // said below: the parser's message would quote the file
  }
  return throwFault('MODEL_CORRUPT', 'expected a JSON object as the safetensors header, got something else')
}

function endOf(tensor: unknown): number | null {
  if (typeof tensor !== 'object' || tensor === null || !('data_offsets' in tensor)) return null
  const offsets = tensor.data_offsets
  if (!Array.isArray(offsets) || offsets.length !== 2) return null
  const [start, end] = offsets as unknown[]
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) return null
  return Number(start) >= 0 && Number(start) <= Number(end) ? Number(end) : null
}
