import { readdir, stat } from 'node:fs/promises'

/** Which files processes hold open, as far as this process may see (its own user's; all of them as root). */
export interface OpenFiles {
  has(device: number, inode: number): boolean
}

const NONE: OpenFiles = { has: () => false }

/** A picture that old is taken again. */
const FRESH_MS = 5_000

/** Answers the last picture while it is fresh. Elsewhere than on Linux: nothing is known to be open. */
export function createOpenFiles(): () => Promise<OpenFiles> {
  let taken: OpenFiles = NONE
  let at = Number.NEGATIVE_INFINITY
  return async () => {
    if (process.platform !== 'linux' || performance.now() - at < FRESH_MS) return taken
    taken = await takePicture()
    at = performance.now()
    return taken
  }
}

async function takePicture(): Promise<OpenFiles> {
  const open = new Set<string>()
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  for (const pid of processes) {
    const folder = `/proc/${pid}/fd`
    const handles = await readdir(folder).catch(() => []) // ended meanwhile, or another user's
    // through the link of procfs to the open file itself, also where its name is gone
    const stats = await Promise.all(handles.map((fd) => stat(`${folder}/${fd}`).catch(() => null)))
    for (const each of stats) if (each?.isFile()) open.add(`${each.dev}:${each.ino}`)
  }
  return { has: (device, inode) => open.has(`${device}:${inode}`) }
}
