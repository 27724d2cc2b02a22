import type { LoadedModel, LoadOptions, ModelEngine, ModelRef } from '../../engine.js'
import { type ModelFile, refuseRevision, resolveModelFile, resolveWeights } from '../model-root.js'
import { createFileReader, type FileReader } from '../reader/reader.js'
import { createLoadedFile, type FilePart } from './loaded-file.js'
import type { FileEngineOptions } from './options.js'
import { dropFromPageCache } from './page-cache.js'

/**
 * Reads model files into the page cache, so that whatever opens them next finds them in memory. The kernel may take the pages back: it is a hint to
 * it, not a hold. A file that changes or goes is gone.
 */
export function createFileEngine({ root, watchInterval: watchIntervalMs }: FileEngineOptions): ModelEngine {
  const reader = createFileReader()
  const loaded = new Set<LoadedModel>()

  async function load(model: ModelRef, { signal, progress }: LoadOptions): Promise<LoadedModel> {
    const found: ModelFile[] = []
    try {
      const parts = await reader.within(model.modelId, signal, async (thread) => {
        const { files, bytes } = await inspect(root, { ...model, digest: null }, thread, signal)
        found.push(...files)
        return readParts(model, files, thread, { signal, progress: (done) => progress(done, bytes) })
      })
      return keep(model.modelId, parts)
    } catch (error) {
      // after the thread has ended: it reads no more
      await dropFromPageCache(found, new AbortController().signal)
      throw error
    }
  }
  function keep(name: string, parts: readonly FilePart[]): LoadedModel {
    const handle = createLoadedFile(
      { name, parts, reader, watchIntervalMs },
      () => void loaded.delete(handle),
    )
    loaded.add(handle)
    return handle
  }

  return {
    name: 'file',
    endpoint: 'page-cache:file',
    pool: 'process',
    sharedEndpoint: false,
    async estimate(model, signal) {
      const { bytes, digest } = await inspect(root, model, reader, signal)
      return { bytes, digest }
    },
    load,
    async close() {
      await reader.close()
      await Promise.all([...loaded].map((handle) => handle.unload(new AbortController().signal)))
    },
  }
}

async function inspect(
  root: string,
  model: ModelRef,
  reader: Pick<FileReader, 'inspect'>,
  signal: AbortSignal,
) {
  const { modelId: name, digest } = model
  refuseRevision(model)
  const file = await resolveModelFile(root, name)
  const report = await reader.inspect({ file, name, digest }, { signal })
  const paths = report.externals.map(({ path }) => path)
  const weights = await resolveWeights(root, paths)
  const bytes = report.externals.reduce((sum, external) => sum + external.bytes, report.bytes)
  return { files: [file, ...weights], bytes, digest: report.digest }
}

interface PartsOptions {
  readonly signal: AbortSignal
  /** Bytes of all files together. */
  readonly progress: (doneBytes: number) => void
}

/** Reads them one after the other. */
async function readParts(
  { modelId: name, digest }: ModelRef,
  files: readonly ModelFile[],
  reader: Pick<FileReader, 'read'>,
  { signal, progress }: PartsOptions,
): Promise<readonly FilePart[]> {
  const parts: FilePart[] = []
  let before = 0
  for (const [index, file] of files.entries()) {
    const input = { file, name, digest: index === 0 ? digest : null }
    const report = await reader.read(input, { signal, progress: (done) => progress(before + done) })
    before += report.bytes
    parts.push({ file, bytes: report.bytes, identity: report.identity })
  }
  return parts
}
