import { closeSync, openSync, writeSync } from 'node:fs'
import { writeNoise } from './write-onnx.ts'

const alignment = 32

/** The header of a GGUF file (version 3) with one float32 tensor of so many bytes, and a metadata array of texts as a tokenizer has. Source: ggml/docs/gguf.md. */
export function ggufHeader(tensorBytes: number): Buffer {
  const metadata = [
    Buffer.concat([text('general.architecture'), u32(8), text('llama')]),
    Buffer.concat([text('general.alignment'), u32(4), u32(alignment)]),
    Buffer.concat([
      text('tokenizer.ggml.tokens'),
      u32(9),
      u32(8),
      u64(3),
      text('<s>'),
      text('</s>'),
      text('a'),
    ]),
    Buffer.concat([text('tokenizer.ggml.scores'), u32(9), u32(6), u64(3), Buffer.alloc(12)]),
  ]
  const tensor = Buffer.concat([
    text('token_embd.weight'),
    u32(2),
    u64(tensorBytes / 4 / 16),
    u64(16),
    u32(0),
    u64(0),
  ])
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(1), u64(metadata.length), ...metadata, tensor])
  return Buffer.concat([head, Buffer.alloc((alignment - (head.length % alignment)) % alignment)])
}

export function writeGguf(path: string, mebibytes: number): void {
  const tensorBytes = mebibytes * 1024 * 1024
  const file = openSync(path, 'w')
  try {
    writeSync(file, ggufHeader(tensorBytes))
    writeNoise(file, tensorBytes)
  } finally {
    closeSync(file)
  }
}

function text(value: string): Buffer {
  return Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)])
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value)
  return buffer
}

function u64(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(BigInt(value))
  return buffer
}
