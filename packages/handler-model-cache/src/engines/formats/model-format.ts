import { throwFault } from '../host/engine-fault.js'
import { createByteReader } from './byte-reader.js'
import { checkGguf } from './gguf.js'
import { checkOnnx, type ExternalData } from './onnx.js'
import { checkSafetensors } from './safetensors.js'

/** `raw`: a file of no format that is known here; only its bytes count. */
export type ModelFormat = 'gguf' | 'onnx' | 'safetensors' | 'raw'

export interface FormatReport {
  readonly format: ModelFormat
  readonly externals: readonly ExternalData[]
}

/**
 * Holds a file to its format, by its magic or its name's ending: MODEL_TRUNCATED where it is shorter than its header says, MODEL_CORRUPT where it is
 * something else. Reads headers only, synchronously: for threads.
 * @param fd is left open
 */
export function checkFormat(fd: number, bytes: number, name: string): FormatReport {
  if (bytes === 0) throwFault('MODEL_TRUNCATED', `expected a model in ${name}, got an empty file`)
  const reader = createByteReader(fd, bytes)
  const format = formatOf(fd, bytes, name)
  if (format === 'gguf') checkGguf(reader)
  if (format === 'safetensors') checkSafetensors(reader)
  const externals = format === 'onnx' ? checkOnnx(reader) : []
  return { format, externals }
}

function formatOf(fd: number, bytes: number, name: string): ModelFormat {
  const magic = createByteReader(fd, bytes).bytes(Math.min(4, bytes), 'the magic').toString('latin1')
  if (magic === 'GGUF') return 'gguf'
  if (name.endsWith('.gguf')) {
    throwFault('MODEL_CORRUPT', `expected GGUF as the first bytes of ${name}, got ${JSON.stringify(magic)}`)
  }
  if (name.endsWith('.onnx')) return 'onnx'
  return name.endsWith('.safetensors') ? 'safetensors' : 'raw'
}
