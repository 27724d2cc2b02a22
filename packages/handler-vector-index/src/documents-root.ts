import { constants } from 'node:fs'
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { NonRetryableError, RetryableError } from '@mcp-worker/runtime'

/** Opens files below one folder, for `documents_ref`. */
export interface DocumentsRoot {
  /**
   * A regular file below the root, by a relative path with `/`. Never follows a link and never leaves the root, also while somebody swaps folders for
   * links. Throws `DOCUMENTS_REF_REFUSED`, `DOCUMENTS_REF_NOT_FOUND`, or the retryable `DOCUMENTS_REF_UNREADABLE`.
   */
  open(ref: string): Promise<FileHandle>
}

/** The root is resolved once. Rejects where it is not a folder. */
export async function openDocumentsRoot(folder: string): Promise<DocumentsRoot> {
  const root = await resolveRoot(folder)
  const openBelow = process.platform === 'linux' ? openByHandles : openByPaths
  return { open: async (ref) => openBelow(root, partsOf(ref)).catch((error: unknown) => refuse(ref, error)) }
}

async function resolveRoot(folder: string): Promise<string> {
  try {
    const root = await realpath(folder)
    const handle = await open(root, constants.O_RDONLY | constants.O_DIRECTORY)
    await handle.close()
    return root
  } catch (cause) {
    throw new NonRetryableError(
      `documentsRoot ${JSON.stringify(folder)}: expected a folder that can be read, got ${codeOf(cause)}. Make it, or name another one`,
      { cause },
    )
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}

function partsOf(ref: string): readonly string[] {
  const parts = ref.split('/')
  const bad = parts.some((part) => part === '' || part === '.' || part === '..' || /[\0\\]/.test(part))
  if (!bad) return parts
  throw new NonRetryableError(
    `documents_ref ${JSON.stringify(ref)} is refused: expected a relative path with "/" and without "..", below documentsRoot`,
    { code: 'DOCUMENTS_REF_REFUSED' },
  )
}

const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_DIRECTORY

/** Each folder is pinned by a handle and the next name is opened through it, so that nothing can be swapped in between. */
async function openByHandles(root: string, parts: readonly string[]): Promise<FileHandle> {
  let folder = await open(root, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    for (const part of parts.slice(0, -1)) {
      const inner = await open(`/proc/self/fd/${folder.fd}/${part}`, FOLDER_FLAGS)
      await folder.close()
      folder = inner
    }
    return await regularFile(await open(`/proc/self/fd/${folder.fd}/${parts.at(-1)}`, FILE_FLAGS))
  } finally {
    await folder.close()
  }
}

/** Where handles cannot be named: a swap between the check and the open could still be followed. */
async function openByPaths(root: string, parts: readonly string[]): Promise<FileHandle> {
  let path = root
  for (const part of parts) {
    path = join(path, part)
    if ((await lstat(path)).isSymbolicLink()) throw Object.assign(new Error('a link'), { code: 'ELOOP' })
  }
  return regularFile(await open(path, FILE_FLAGS))
}

async function regularFile(handle: FileHandle): Promise<FileHandle> {
  const stat = await handle.stat()
  if (stat.isFile()) return handle
  await handle.close()
  throw Object.assign(new Error('not a regular file'), { code: 'EISDIR' })
}

const REFUSED = new Set(['ELOOP', 'ENOTDIR', 'EISDIR', 'ENXIO', 'EMLINK', 'EACCES', 'EPERM', 'ENAMETOOLONG'])

function refuse(ref: string, error: unknown): never {
  const code = codeOf(error)
  const name = JSON.stringify(ref)
  if (code === 'DOCUMENTS_REF_REFUSED') throw error
  if (code === 'ENOENT') {
    throw new NonRetryableError(`documents_ref ${name}: there is no such file below documentsRoot`, {
      code: 'DOCUMENTS_REF_NOT_FOUND',
      cause: error,
    })
  }
  if (REFUSED.has(code)) {
    throw new NonRetryableError(
      `documents_ref ${name} is refused: expected a readable regular file, reached without links (${code})`,
      { code: 'DOCUMENTS_REF_REFUSED', cause: error },
    )
  }
  throw new RetryableError(`documents_ref ${name} cannot be read now`, {
    code: 'DOCUMENTS_REF_UNREADABLE',
    cause: error,
  })
}
