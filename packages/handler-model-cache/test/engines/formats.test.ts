import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkFormat, type FormatReport } from '../../src/engines/formats/model-format.js'
import { FaultError } from '../../src/engines/host/engine-fault.js'
import { ggufHeader, writeGguf } from '../models/write-gguf.js'
import { onnxWithExternalWeights, writeOnnx } from '../models/write-onnx.js'
import { modelFolder, putRealModels } from './folder.fixture.js'

function check(path: string, name = path): FormatReport {
  const file = openSync(path, 'r')
  try {
    return checkFormat(file, readFileSync(path).length, name)
  } finally {
    closeSync(file)
  }
}

function codeOf(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (error instanceof FaultError) return error.fault.code
    throw error
  }
}

function safetensors(header: unknown, dataBytes: number): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, Buffer.alloc(dataBytes, 7)])
}

const tensors = {
  __metadata__: { format: 'pt' },
  a: { dtype: 'F32', shape: [4], data_offsets: [0, 16] },
  b: { dtype: 'F32', shape: [2], data_offsets: [16, 24] },
}

test('knows whole files of each format', async () => {
  const folder = await modelFolder()
  await putRealModels(folder)
  writeGguf(join(folder, 'a.gguf'), 1)
  writeFileSync(join(folder, 'a.safetensors'), safetensors(tensors, 24))
  writeFileSync(join(folder, 'a.bin'), 'anything')
  expect(check(join(folder, 'small.onnx')).format).toBe('onnx')
  expect(check(join(folder, 'other.onnx'))).toEqual({ format: 'onnx', externals: [] })
  expect(check(join(folder, 'a.gguf')).format).toBe('gguf')
  expect(check(join(folder, 'a.safetensors')).format).toBe('safetensors')
  expect(check(join(folder, 'a.bin')).format).toBe('raw')
})

test('finds the weights that an ONNX model keeps in other files', async () => {
  const folder = await modelFolder()
  writeFileSync(join(folder, 'a.onnx'), onnxWithExternalWeights('weights.bin', 8192))
  expect(check(join(folder, 'a.onnx')).externals).toEqual([{ location: 'weights.bin', endBytes: 8192 }])
})

test('calls a file truncated wherever it was cut', async () => {
  const folder = await modelFolder()
  const whole = [
    ['a.gguf', Buffer.concat([ggufHeader(4096), Buffer.alloc(4096)])],
    ['a.safetensors', safetensors(tensors, 24)],
  ] as const
  for (const [name, content] of whole) {
    const path = join(folder, name)
    writeFileSync(path, content)
    expect(check(path).format).not.toBe('raw')
    const file = openSync(path, 'r+')
    for (let length = content.length - 1; length >= 4; length -= 1) {
      ftruncateSync(file, length)
      expect([length, codeOf(() => check(path))]).toEqual([length, 'MODEL_TRUNCATED'])
    }
    closeSync(file)
  }
})

test('calls an ONNX model truncated wherever its graph was cut', async () => {
  const folder = await modelFolder()
  const path = join(folder, 'a.onnx')
  writeOnnx(path, 1)
  const length = readFileSync(path).length
  for (const cut of [1, 2, 100, 1000, 500_000, length - 200]) {
    writeOnnx(path, 1)
    const file = openSync(path, 'r+')
    ftruncateSync(file, length - cut)
    closeSync(file)
    expect([cut, codeOf(() => check(path))]).toEqual([cut, 'MODEL_TRUNCATED'])
  }
})

test('calls an empty file truncated and another format corrupt', async () => {
  const folder = await modelFolder()
  const cases = [
    ['empty.onnx', '', 'MODEL_TRUNCATED'],
    ['text.onnx', 'version https://git-lfs.github.com/spec/v1', 'MODEL_CORRUPT'],
    ['text.gguf', 'version https://git-lfs.github.com/spec/v1', 'MODEL_CORRUPT'],
    ['text.safetensors', 'version https://git-lfs.github.com/spec/v1', 'MODEL_CORRUPT'],
    ['list.safetensors', safetensors('[1, 2]', 0), 'MODEL_CORRUPT'],
    ['offsets.safetensors', safetensors({ a: { data_offsets: [8, 4] } }, 8), 'MODEL_CORRUPT'],
    ['more.safetensors', safetensors(tensors, 25), 'MODEL_CORRUPT'],
    [
      'old.gguf',
      Buffer.concat([Buffer.from('GGUF'), Buffer.from([1, 0, 0, 0]), Buffer.alloc(16)]),
      'MODEL_UNSUPPORTED',
    ],
  ] as const
  for (const [name, content, code] of cases) {
    writeFileSync(join(folder, name), content)
    expect([name, codeOf(() => check(join(folder, name)))]).toEqual([name, code])
  }
})

test('answers with a fault of its own, and ends, whatever bytes are changed', async () => {
  const folder = await modelFolder()
  const models: readonly (readonly [string, Buffer])[] = [
    ['a.gguf', Buffer.concat([ggufHeader(1024), Buffer.alloc(1024)])],
    ['a.safetensors', safetensors(tensors, 24)],
    ['a.onnx', onnxWithExternalWeights('weights.bin', 8192)],
  ]
  const known = ['accepted', 'MODEL_TRUNCATED', 'MODEL_CORRUPT', 'MODEL_UNSUPPORTED']
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(
      fc.constantFrom(...models),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (model, changes) => {
        const [name, content] = model
        const path = join(folder, name)
        writeFileSync(path, content)
        const file = openSync(path, 'r+')
        for (const [at, value] of changes) writeSync(file, Uint8Array.of(value), 0, 1, at % content.length)
        closeSync(file)
        expect(known).toContain(codeOf(() => check(path)))
      },
    ),
    { numRuns: 1000 },
  )
})
