import { type PathLike, constants, lstatSync, readlinkSync, unlink } from 'node:fs'
import { type FileHandle, lstat, open, opendir, readlink, rmdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { type Folder, type Look, lookOf, systemCode } from './folder.js'
import { type ByteString, byteStringOf, bytesOf, callable } from './names.js'

const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** By the callback: a request of node:fs/promises holds some 300 bytes outside the heap, which with a million files is what the process's memory is made of. */
const unlinkLightly = promisify(unlink)

/** Entries per system call of an enumeration. More only takes memory. */
const READ_AHEAD = 256

/**
 * The root, by a path without links on it. Linux: the handle pins the folder itself, and `/proc/self/fd/N/name` is a name in it, whatever somebody
 * does to the path that led here (openat and unlinkat, which Node.js has not).
 */
export async function openPinnedRoot(path: string): Promise<Folder> {
  const handle = await open(path, FOLDER_FLAGS)
  return pinnedFolder(handle, byteStringOf(path === '/' ? '' : path), [])
}

function pinnedFolder(handle: FileHandle, root: ByteString, parts: readonly ByteString[]): Folder {
  const self = `/proc/self/fd/${handle.fd}`
  const at = (name: ByteString) => callable(`${self}/${name}`)
  const place = bytesOf([root, ...parts].join('/') || '/')
  return {
    parts,
    safety: 'pinned',
    names: () => namesIn(self),
    look: (name) => lookAt(at(name)),
    lookNow: (name) => {
      const stats = lstatSync(at(name), { throwIfNoEntry: false })
      return stats === undefined ? null : lookOf(stats)
    },
    self: async () => lookOf(await handle.stat()),
    inPlace: () => readlinkSync(self, { encoding: 'buffer' }).equals(place),
    async enter(name) {
      return pinnedFolder(await open(at(name), FOLDER_FLAGS), root, [...parts, name])
    },
    unlink: (name) => unlinkLightly(at(name)),
    rmdir: (name) => rmdir(at(name)),
    readLink: (name) => readlink(at(name)),
    readText: (name, maxBytes) => readStart(at(name), maxBytes),
    close: () => handle.close(),
  }
}

export async function* namesIn(path: PathLike): AsyncIterable<ByteString> {
  for await (const entry of await opendir(path, { encoding: 'latin1', bufferSize: READ_AHEAD })) {
    yield entry.name
  }
}

export async function lookAt(path: PathLike): Promise<Look | null> {
  try {
    return lookOf(await lstat(path))
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
}

export async function readStart(path: PathLike, maxBytes: number): Promise<string> {
  await using file = await open(path, FILE_FLAGS)
  if (!(await file.stat()).isFile()) throw Object.assign(new Error('not a regular file'), { code: 'EINVAL' })
  const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0)
  return buffer.toString('utf8', 0, bytesRead)
}
