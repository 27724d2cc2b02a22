import type { Look } from './folder.js'

/** Allocated bytes that a removal gives back: of a file with several names, nothing until its last one goes. */
export function createFreedBytes(): (look: Look) => number {
  const gone = new Map<string, number>()
  return (look) => {
    if (look.kind !== 'file' || look.links <= 1) return look.bytes
    const key = `${look.device}:${look.inode}`
    const names = (gone.get(key) ?? 0) + 1
    gone.set(key, names)
    return names >= look.links ? look.bytes : 0
  }
}
