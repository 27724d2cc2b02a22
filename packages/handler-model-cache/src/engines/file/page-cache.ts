import { execFile } from 'node:child_process'
import type { ModelFile } from '../model-root.js'

/**
 * Asks the kernel to drop the files' pages from its cache (`dd … iflag=nocache count=0`: posix_fadvise, which Node does not offer). Pages that are not
 * on the disk yet, or that somebody has mapped, stay. Where there is no GNU dd nothing happens: the kernel takes the pages when it needs them.
 * Rejects only with the signal's reason.
 */
export async function dropFromPageCache(files: readonly ModelFile[], signal: AbortSignal): Promise<void> {
  if (process.platform !== 'linux') return
  await Promise.all(files.map((file) => drop(file.realPath, signal)))
}

function drop(path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'], { signal }, () => {
      if (signal.aborted) reject(signal.reason)
      else resolve()
    })
  })
}
