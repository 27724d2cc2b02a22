import type { Look } from './folder.js'

/** What is known of files with several names, some of which this run removes. In memory for those of which others are left. */
export interface LinkedFiles {
  /** Allocated bytes that the removal of one more name gives back: nothing until the last one goes. Asked once per name that goes. */
  freed(look: Look): number
  /** The look without what this run itself did to the file: the removal of a name changes the ctime of all. */
  undisturbed(look: Look): Look
}

interface Linked {
  /** When the first of them was met. */
  readonly names: number
  readonly first: Look
  gone: number
}

export function createLinkedFiles(): LinkedFiles {
  const files = new Map<string, Linked>()
  const find = (look: Look) =>
    files.size === 0 || look.kind !== 'file' ? undefined : files.get(`${look.device}:${look.inode}`)
  return {
    freed(look) {
      const known = find(look)
      if (known === undefined && (look.kind !== 'file' || look.links <= 1)) return look.bytes
      const file = known ?? { names: look.links, first: look, gone: 0 }
      const key = `${look.device}:${look.inode}`
      file.gone += 1
      if (file.gone < file.names) {
        files.set(key, file)
        return 0
      }
      files.delete(key)
      return look.bytes
    },
    undisturbed(look) {
      const known = find(look)
      if (known === undefined) return look
      const { first } = known
      // else another file has been given the inode
      const isSameFile = first.mtimeMs === look.mtimeMs && first.birthMs === look.birthMs
      return isSameFile ? { ...look, ctimeMs: first.ctimeMs } : look
    },
  }
}
