import type { StatsFs } from 'node:fs'

export interface FreeSpace {
  readonly freeBytes: number
  readonly totalBytes: number
}

/** What others than root may use. */
export function freeSpaceOf(stats: StatsFs): FreeSpace {
  return { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize }
}

/** Bytes that must be free in the end. */
export function wantedFree(
  want: { readonly bytes: number } | { readonly percent: number },
  { totalBytes }: FreeSpace,
): number {
  return 'bytes' in want ? want.bytes : Math.ceil((totalBytes * want.percent) / 100)
}

/** How much of each age there is, in buckets that are 1 % of the age wide: some thousand numbers, however many files. */
export interface AgeHistogram {
  add(ageMs: number, bytes: number): void
  /** Answers, file by file, whether it is among the oldest that together make `needBytes`; once there are enough, nothing is. */
  chooser(needBytes: number): (ageMs: number, bytes: number) => boolean
}

export function createAgeHistogram(): AgeHistogram {
  const buckets = new Map<number, number>()
  return {
    add(ageMs, bytes) {
      const bucket = bucketOf(ageMs)
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + bytes)
    },
    chooser(needBytes) {
      const { last, within } = cut(buckets, needBytes)
      let rest = within
      return (ageMs, bytes) => {
        const bucket = bucketOf(ageMs)
        if (bucket > last) return true
        if (bucket < last || rest <= 0) return false
        rest -= bytes
        return true
      }
    },
  }
}

/** From the oldest down: the bucket in which the need is met, and how much of that one it takes. */
function cut(buckets: ReadonlyMap<number, number>, needBytes: number): { last: number; within: number } {
  let missing = needBytes
  const oldestFirst = [...buckets].toSorted(([a], [b]) => b - a)
  for (const [bucket, bytes] of oldestFirst) {
    if (bytes >= missing) return { last: bucket, within: missing }
    missing -= bytes
  }
  return { last: Number.NEGATIVE_INFINITY, within: 0 }
}

function bucketOf(ageMs: number): number {
  return Math.floor(Math.log(Math.max(1, ageMs)) / Math.log(1.01))
}
