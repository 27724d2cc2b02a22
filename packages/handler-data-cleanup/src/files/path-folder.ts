import { lstatSync, realpathSync } from 'node:fs'
import { readlink, rmdir, unlink } from 'node:fs/promises'
import { type Folder, lookOf } from './folder.js'
import { type ByteString, byteStringOf, bytesOf, callable } from './names.js'
import { lookAt, namesIn, readStart } from './pinned-folder.js'

/**
 * Where handles cannot be named (not on Linux): by paths, each folder checked before it is used. Somebody who swaps a folder for a link between the
 * check and the removal is followed: `reduced`.
 */
export async function openPathRoot(path: string): Promise<Folder> {
  return checked(pathFolder(byteStringOf(path), []))
}

function pathFolder(root: ByteString, parts: readonly ByteString[]): Folder {
  const path = [root, ...parts].join('/')
  const at = (name: ByteString) => callable(`${path}/${name}`)
  return {
    parts,
    safety: 'reduced',
    names: () => namesIn(bytesOf(path)),
    look: (name) => lookAt(at(name)),
    lookNow: (name) => {
      const stats = lstatSync(at(name), { throwIfNoEntry: false })
      return stats === undefined ? null : lookOf(stats)
    },
    self: async () => lookOf(lstatSync(bytesOf(path))),
    inPlace: () => realpathSync(bytesOf(path), { encoding: 'buffer' }).equals(bytesOf(path)),
    enter: (name) => checked(pathFolder(root, [...parts, name])),
    unlink: (name) => unlink(at(name)),
    rmdir: (name) => rmdir(at(name)),
    readLink: (name) => readlink(at(name)),
    readText: (name, maxBytes) => readStart(at(name), maxBytes),
    close: async () => {},
  }
}

async function checked(folder: Folder): Promise<Folder> {
  const { kind } = await folder.self()
  if (kind === 'directory') return folder
  throw Object.assign(new Error('not a folder'), { code: kind === 'link' ? 'ELOOP' : 'ENOTDIR' })
}
