import { createHash, type Hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { checkFormat, type ModelFormat } from '../formats/model-format.js'
import type { ExternalData } from '../formats/onnx.js'
import { FaultError, throwFault } from '../host/engine-fault.js'
import type { CallContext, ReportProgress } from '../host/messages.js'
import { serve } from '../host/serve.js'
import type { ModelFile } from '../model-root.js'
import { identityOf } from './file-identity.js'

const chunkBytes = 1 << 20
/** Each report wakes the main thread, and there everybody who waits is told. */
const reportEveryBytes = 8 << 20

export interface InspectInput {
  readonly file: ModelFile
  /** The model's name for messages. */
  readonly name: string
  /** Asks for the digest, which takes reading it all. */
  readonly hash: boolean
}

export interface InspectOutput {
  readonly format: ModelFormat
  /** Of the file itself. */
  readonly bytes: number
  /** Files beside it that hold its weights. */
  readonly externals: readonly { readonly path: string; readonly bytes: number }[]
  readonly digest: string | null
  readonly identity: string
}

export interface ReadOutput {
  readonly bytes: number
  readonly digest: string | null
  readonly identity: string
  /** What the reading took, without the thread's start. */
  readonly ms: number
}

const calls = {
  /** Header and length, and the digest if asked for. */
  inspect({ file: { path, realPath }, name, hash }: InspectInput, { progress }: CallContext): InspectOutput {
    return withFile(realPath, name, (fd) => {
      const file = fstatSync(fd, { bigint: true })
      const bytes = Number(file.size)
      const { format, externals } = checkFormat(fd, bytes, name)
      const digest = hash ? readAll(fd, bytes, createHash('sha256'), progress) : null
      return { format, bytes, externals: findExternals(path, externals), digest, identity: identityOf(file) }
    })
  },
  /** Reads every byte once, so that the file is in the page cache; answers its digest if asked for. */
  read({ file: { realPath }, name, hash }: InspectInput, { progress }: CallContext): ReadOutput {
    return withFile(realPath, name, (fd) => {
      const file = fstatSync(fd, { bigint: true })
      const started = performance.now()
      const digest = readAll(fd, Number(file.size), hash ? createHash('sha256') : null, progress)
      const ms = performance.now() - started
      const identity = identityOf(fstatSync(fd, { bigint: true }))
      if (identity !== identityOf(file)) {
        throwFault('LOAD_FAILED', `expected ${name} to stay as it is while it is read, it was changed`)
      }
      return { bytes: Number(file.size), digest, identity, ms }
    })
  },
}

export type ReaderCalls = typeof calls

serve(calls)

function withFile<Output>(path: string, name: string, use: (fd: number) => Output): Output {
  let fd: number | null = null
  try {
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
    return use(fd)
  } catch (error) {
    if (error instanceof FaultError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ENOENT') return throwFault('MODEL_NOT_FOUND', `expected a file for ${name}, got none`)
    return throwFault('LOAD_FAILED', `expected to read ${name}, got ${code}`)
  } finally {
    if (fd !== null) closeSync(fd)
  }
}

function readAll(fd: number, bytes: number, hash: Hash | null, progress: ReportProgress): string | null {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let done = 0
  progress(0, bytes)
  while (done < bytes) {
    const count = readSync(fd, buffer, 0, chunkBytes, done)
    if (count === 0)
      throwFault('MODEL_TRUNCATED', `expected ${bytes} bytes, the file was cut to ${done} meanwhile`)
    hash?.update(count === chunkBytes ? buffer : buffer.subarray(0, count))
    done += count
    if (done % reportEveryBytes < count || done === bytes) progress(done, bytes)
  }
  return hash ? `sha256:${hash.digest('hex')}` : null
}

function findExternals(path: string, externals: readonly ExternalData[]): InspectOutput['externals'] {
  const needed = new Map<string, number>()
  for (const { location, endBytes } of externals) {
    needed.set(location, Math.max(endBytes, needed.get(location) ?? 0))
  }
  return [...needed].map(([location, endBytes]) => {
    if (location.split(/[/\\]/).includes('..') || location.startsWith('/')) {
      return throwFault('MODEL_CORRUPT', `expected weights beside the model, got ${JSON.stringify(location)}`)
    }
    const file = join(dirname(path), location)
    const size = statSync(file, { throwIfNoEntry: false })?.size
    if (size === undefined) {
      throwFault(
        'MODEL_NOT_FOUND',
        `expected the weights ${JSON.stringify(location)} beside the model, got no file`,
      )
    }
    if (size < endBytes) {
      throwFault('MODEL_TRUNCATED', `expected ${endBytes} bytes or more in ${location}, got ${size}`)
    }
    return { path: file, bytes: size }
  })
}
