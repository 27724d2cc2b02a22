import { realpath, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import type { ModelRef } from '../engine.js'
import { ModelError } from '../errors.js'

export interface ModelFile {
  /** As the id names it: what lies beside it are its weights. May be a link. */
  readonly path: string
  /** Without links. */
  readonly realPath: string
}

/**
 * The file that a model's id names below the configured folder. Links are followed (the hub's layout is made of them) as long as they
 * end below the folder.
 *
 * Rejects with MODEL_NOT_FOUND, also for ids that lead elsewhere: what else is on the disk is nobody's business.
 */
export async function resolveModelFile(root: string, modelId: string): Promise<ModelFile> {
  const name = JSON.stringify(modelId)
  const refuse = (cause?: unknown): never => {
    const problem = `expected a file below the models' folder for ${name}, got none`
    throw new ModelError('MODEL_NOT_FOUND', problem, { cause })
  }
  const parts = modelId.split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..' || /[\0\\]/.test(part))) refuse()
  const folder = await realpath(root).catch(refuse)
  return fileBelow(folder, join(folder, ...parts)).catch(refuse)
}

/** The files that hold the weights of a model, named by the model itself: they too must end below the folder. MODEL_NOT_FOUND. */
export async function resolveWeights(root: string, paths: readonly string[]): Promise<readonly ModelFile[]> {
  const folder = await realpath(root)
  return Promise.all(
    paths.map((path) =>
      fileBelow(folder, path).catch((cause: unknown) => {
        const problem = `expected the weights ${JSON.stringify(basename(path))} below the models' folder, got none`
        throw new ModelError('MODEL_NOT_FOUND', problem, { cause })
      }),
    ),
  )
}

async function fileBelow(folder: string, path: string): Promise<ModelFile> {
  const realPath = await realpath(path)
  if (!isBelow(folder, realPath)) throw new Error('it leads out of the folder')
  const file = await stat(realPath)
  if (!file.isFile()) throw new Error('it is no regular file')
  return { path, realPath }
}

function isBelow(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`)
}

/** For engines without revisions. */
export function refuseRevision({ modelId, revision }: ModelRef): void {
  if (revision === null) return
  const problem = `expected no revision of ${JSON.stringify(modelId)}, got ${JSON.stringify(revision)}`
  throw new ModelError('MODEL_UNSUPPORTED', problem)
}
