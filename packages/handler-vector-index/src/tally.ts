import type { FailedDocument } from './faults.js'

const MAX_LISTED = 100

/** What a task has done so far. It is kept in the checkpoint, so that a retried task reports the whole. */
export interface Tally {
  inserted: number
  updated: number
  unchanged: number
  deleted: number
  failed: FailedDocument[]
  failed_count: number
  chunks: number
  embed_seconds: number
  write_seconds: number
}

export function createTally(): Tally {
  return {
    inserted: 0,
    updated: 0,
    unchanged: 0,
    deleted: 0,
    failed: [],
    failed_count: 0,
    chunks: 0,
    embed_seconds: 0,
    write_seconds: 0,
  }
}

export function copyTally(tally: Tally): Tally {
  return { ...tally, failed: [...tally.failed] }
}

export function addFailed(tally: Tally, failed: readonly FailedDocument[]): void {
  tally.failed_count += failed.length
  const room = MAX_LISTED - tally.failed.length
  tally.failed.push(...failed.slice(0, room))
}

/** Runs `work` and adds its seconds, also where it throws. */
export async function timed<T>(
  tally: Tally,
  part: 'embed_seconds' | 'write_seconds',
  work: () => Promise<T>,
): Promise<T> {
  const start = performance.now()
  try {
    return await work()
  } finally {
    tally[part] += (performance.now() - start) / 1000
  }
}
