import { closeSync, openSync, writeSync } from 'node:fs'
import { bytes, opening, whole } from './protobuf.ts'

const float32 = 1
const inputWidth = 1024

/**
 * Writes an ONNX model of about so many mebibytes: `y = x · w`, `x` [batch, 1024], `w` of random numbers from a fixed seed. Field numbers: onnx.proto.
 * With `sparse`, `w` is a hole in the file: zeros that take no place on the disk.
 */
export function writeOnnx(path: string, mebibytes: number, { sparse = false } = {}): void {
  const outputWidth = mebibytes * 256
  const weightBytes = inputWidth * outputWidth * 4
  const tensorHead = Buffer.concat([
    whole(1, inputWidth),
    whole(1, outputWidth),
    whole(2, float32),
    bytes(8, 'w'),
  ])
  const weightHead = opening(9, weightBytes)
  const tensorLength = tensorHead.length + weightHead.length + weightBytes
  const node = bytes(1, bytes(1, 'x'), bytes(1, 'w'), bytes(2, 'y'), bytes(4, 'MatMul'))
  const graphHead = Buffer.concat([node, bytes(2, 'g'), opening(5, tensorLength)])
  const graphTail = Buffer.concat([
    bytes(11, valueInfo('x', inputWidth)),
    bytes(12, valueInfo('y', outputWidth)),
  ])
  const graphLength = graphHead.length + tensorLength + graphTail.length
  const head = Buffer.concat([whole(1, 8), bytes(8, whole(2, 13)), opening(7, graphLength)])
  const file = openSync(path, 'w')
  try {
    for (const part of [head, graphHead, tensorHead, weightHead]) writeSync(file, part)
    if (!sparse) writeNoise(file, weightBytes)
    const end = head.length + graphHead.length + tensorHead.length + weightHead.length + weightBytes
    writeSync(file, graphTail, 0, graphTail.length, end)
  } finally {
    closeSync(file)
  }
}

/** The same model with its weights in a file beside it, `weights.bin`. Answers the model's bytes; the weights are not written. */
export function onnxWithExternalWeights(location: string, weightBytes: number): Buffer {
  const outputWidth = weightBytes / 4 / inputWidth
  const entries = Object.entries({ location, offset: '0', length: String(weightBytes) })
  const external = entries.map(([key, value]) => bytes(13, bytes(1, key), bytes(2, value)))
  const tensor = [
    whole(1, inputWidth),
    whole(1, outputWidth),
    whole(2, float32),
    bytes(8, 'w'),
    ...external,
    whole(14, 1),
  ]
  const node = bytes(1, bytes(1, 'x'), bytes(1, 'w'), bytes(2, 'y'), bytes(4, 'MatMul'))
  const values = [bytes(11, valueInfo('x', inputWidth)), bytes(12, valueInfo('y', outputWidth))]
  return Buffer.concat([
    whole(1, 8),
    bytes(8, whole(2, 13)),
    bytes(7, node, bytes(2, 'g'), bytes(5, ...tensor), ...values),
  ])
}

function valueInfo(name: string, width: number): Buffer {
  const dimensions = [bytes(1, bytes(2, 'batch')), bytes(1, whole(1, width))]
  return Buffer.concat([bytes(1, name), bytes(2, bytes(1, whole(1, float32), bytes(2, ...dimensions)))])
}

/** Numbers from -0.5 to 0.5 (a linear congruential generator): files of zeros would be sparse or be shared. */
export function writeNoise(file: number, length: number): void {
  const chunk = new Float32Array(1 << 18)
  let seed = 1
  for (let left = length; left > 0; left -= chunk.byteLength) {
    for (let index = 0; index < chunk.length; index += 1) {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      chunk[index] = seed / 2 ** 32 - 0.5
    }
    writeSync(file, new Uint8Array(chunk.buffer, 0, Math.min(left, chunk.byteLength)))
  }
}
