import { setImmediate } from 'node:timers/promises'
import { type Folder, type Look, systemCode } from './folder.js'
import { inFlight } from './in-flight.js'
import type { ByteString } from './names.js'

export type Looked = Look | { readonly fault: string } | null

/** As long as the event loop is kept waiting. */
const SLICE_MS = 5
/** Fewer looks than that in a slice: they come from the disk, and are better asked for side by side. */
const COLD = 32

/**
 * In the order of the names. What the kernel has in memory takes a few microseconds, less than handing it to another thread costs: that is done at once,
 * in slices; the rest through the thread pool.
 */
export async function lookAll(
  folder: Folder,
  names: readonly ByteString[],
  concurrency: number,
): Promise<readonly Looked[]> {
  const looks: Looked[] = []
  while (looks.length < names.length) {
    const before = looks.length
    const from = performance.now()
    while (looks.length < names.length && performance.now() - from < SLICE_MS)
      looks.push(lookNow(folder, names[looks.length] ?? ''))
    const left = names.slice(looks.length)
    if (left.length === 0) break
    if (looks.length - before < COLD) {
      const rest = await inFlight(concurrency, left, (name) => folder.look(name).catch(asFault))
      return [...looks, ...rest]
    }
    await setImmediate()
  }
  return looks
}

function lookNow(folder: Folder, name: ByteString): Looked {
  try {
    return folder.lookNow(name)
  } catch (error) {
    return asFault(error)
  }
}

export function asFault(error: unknown): { readonly fault: string } {
  return { fault: systemCode(error) }
}
