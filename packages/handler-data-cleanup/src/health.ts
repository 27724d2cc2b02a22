import { access, constants, mkdir } from 'node:fs/promises'
import type { CleanupDeps } from './run-cleanup.js'

/** The locks can be written, and the disks of the targets are measured. A folder that is not there is no fault: there is nothing to clean. */
export async function checkHealth({ targets, around, metrics }: CleanupDeps): Promise<void> {
  await mkdir(around.dataDir, { recursive: true })
  await access(around.dataDir, constants.W_OK)
  for (const [name, target] of Object.entries(targets)) {
    if (!('root' in target)) continue
    const space = await around.freeSpace(target.root).catch(() => null)
    if (space !== null) metrics.free(name, space)
  }
}
