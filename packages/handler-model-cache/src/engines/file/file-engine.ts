import type { LoadedModel, LoadOptions, ModelEngine, ModelRef } from '../../engine.js'
import { type ModelFile, refuseRevision, resolveModelFile, resolveWeights } from '../model-root.js'
import { createFileReader } from '../reader/reader.js'
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

  async function inspect(model: ModelRef, digest: string | null, signal: AbortSignal) {
    refuseRevision(model)
    const file = await resolveModelFile(root, model.modelId)
    const report = await reader.inspect({ file, name: model.modelId, digest }, { signal })
    const paths = report.externals.map(({ path }) => path)
    const weights = await resolveWeights(root, paths)
    const bytes = report.externals.reduce((sum, external) => sum + external.bytes, report.bytes)
    return { files: [file, ...weights], bytes, digest: report.digest }
  }

  async function readParts(
    model: ModelRef,
    files: readonly ModelFile[],
    total: number,
    options: LoadOptions,
  ) {
    const parts: FilePart[] = []
    let before = 0
    for (const [index, file] of files.entries()) {
      const input = { file, name: model.modelId, digest: index === 0 ? model.digest : null }
      const report = await reader.read(input, {
        signal: options.signal,
        progress: (done) => options.progress(before + done, total),
      })
      before += report.bytes
      parts.push({ file, bytes: report.bytes, identity: report.identity })
    }
    return parts
  }

  async function load(model: ModelRef, options: LoadOptions): Promise<LoadedModel> {
    const { files, bytes } = await inspect(model, null, options.signal)
    try {
      const parts = await readParts(model, files, bytes, options)
      const handle = createLoadedFile({ name: model.modelId, parts, reader, watchIntervalMs }, () => {
        loaded.delete(handle)
      })
      loaded.add(handle)
      return handle
    } catch (error) {
      await dropFromPageCache(files, new AbortController().signal)
      throw error
    }
  }

  return {
    name: 'file',
    endpoint: 'page-cache:file',
    pool: 'process',
    sharedEndpoint: false,
    async estimate(model, signal) {
      const { bytes, digest } = await inspect(model, model.digest, signal)
      return { bytes, digest }
    },
    load,
    async close() {
      await reader.close()
      await Promise.all([...loaded].map((handle) => handle.unload(new AbortController().signal)))
    },
  }
}
