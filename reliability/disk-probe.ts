import { closeSync, fdatasync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** How long the disk takes for an fsync while something else is timed: evidence, never an allowance. */
export interface DiskProbe {
  /** Ends it. Answers the longest fsync so far, in milliseconds, one that is still under way included. */
  stop(): number
}

const EVERY_MS = 20
const BLOCK = Buffer.alloc(4096, 1)

export function createDiskProbe(directory: string): DiskProbe {
  const file = join(directory, `probe-${process.hrtime.bigint()}`)
  const fd = openSync(file, 'w')
  let longest = 0
  let startedAt: number | null = null
  let stopped = false

  function probe(): void {
    startedAt = performance.now()
    writeSync(fd, BLOCK, 0, BLOCK.length, 0)
    fdatasync(fd, () => {
      longest = Math.max(longest, performance.now() - startedAt!)
      startedAt = null
      if (stopped) closeSync(fd)
      else setTimeout(next, EVERY_MS).unref()
    })
  }
  function next(): void {
    if (stopped) closeSync(fd)
    else probe()
  }

  probe()
  return {
    stop() {
      stopped = true
      rmSync(file, { force: true })
      return Math.max(longest, startedAt === null ? 0 : performance.now() - startedAt)
    },
  }
}
