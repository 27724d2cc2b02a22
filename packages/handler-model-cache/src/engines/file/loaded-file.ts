import type { LoadedModel, WarmupOptions } from '../../engine.js'
import { isModelError, ModelError } from '../../errors.js'
import { createGoneSignal } from '../gone-signal.js'
import type { ModelFile } from '../model-root.js'
import type { FileReader } from '../reader/reader.js'
import { currentIdentity, watchFile } from '../reader/watch-file.js'
import { timeRuns } from '../warmup-times.js'
import { dropFromPageCache } from './page-cache.js'

/** The model's file, or one of those that its weights are in, as it was read. */
export interface FilePart {
  readonly file: ModelFile
  readonly bytes: number
  readonly identity: string
}

interface LoadedFile {
  readonly name: string
  readonly parts: readonly FilePart[]
  readonly reader: FileReader
  readonly watchIntervalMs: number
}

/** @param onEnd called when it is unloaded or gone, perhaps twice */
export function createLoadedFile(
  { name, parts, reader, watchIntervalMs }: LoadedFile,
  onEnd: () => void,
): LoadedModel {
  const gone = createGoneSignal()
  const watches = parts.map(({ file, identity }) => watchFile(file.path, identity, watchIntervalMs, lose))

  function lose(what: 'changed' | 'gone'): ModelError {
    const error = new ModelError(
      'MODEL_GONE',
      `expected the file of ${JSON.stringify(name)} as it was, it is ${what}`,
    )
    for (const stop of watches) stop()
    gone.lose(error)
    onEnd()
    return error
  }
  async function readAgain(signal: AbortSignal): Promise<number> {
    let ms = 0
    for (const { file, identity } of parts) {
      const report = await reader.read({ file, name, digest: null }, { signal }).catch((error: unknown) => {
        throw isModelError(error) && error.code !== 'LOAD_FAILED' ? lose('gone') : failedRun(error, name)
      })
      if (report.identity !== identity) throw lose('changed')
      ms += report.ms
    }
    return ms
  }
  return {
    measuredBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    async warmup(options) {
      refuseInputs(options)
      const lost = gone.reason()
      if (lost) throw lost
      return timeRuns(options, async (signal) => readAgain(signal))
    },
    async unload(signal) {
      signal.throwIfAborted()
      if (!gone.reason()) {
        await dropFromPageCache(
          parts.map(({ file }) => file),
          signal,
        )
      }
      for (const stop of watches) stop()
      gone.settle()
      onEnd()
    },
    onGone: (callback) => gone.onGone(callback),
    async isCurrent() {
      const now = await Promise.all(parts.map(({ file }) => currentIdentity(file.path)))
      return parts.every(({ identity }, i) => now[i] === identity)
    },
  }
}

/** An abort stays what it is. */
function failedRun(error: unknown, name: string): unknown {
  if (!isModelError(error)) return error
  return new ModelError('WARMUP_FAILED', `expected to read ${JSON.stringify(name)} again, got an error`, {
    cause: error,
  })
}

function refuseInputs({ inputs, prompt }: WarmupOptions): void {
  if (inputs === undefined && prompt === undefined) return
  throw new ModelError(
    'MODEL_UNSUPPORTED',
    'expected no inputs and no prompt: the engine `file` only reads the model',
  )
}
