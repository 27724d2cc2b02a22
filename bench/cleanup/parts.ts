import type { Run } from '../docs/markdown.ts'

/** What bench/results/cleanup.json holds. */
export interface DeletionResult {
  readonly name: string
  readonly version: string
  readonly fileSystem: string
  readonly seconds: readonly number[]
  readonly medianSeconds: number
  readonly maxRssMb: number | null
  /** Worst p99 of the rounds, of the loop in which the engine runs; null for other programs. */
  readonly loopLagP99Ms: number | null
}

/** Which process is measured: a worker with the plugin in its thread, or the plugin alone with the flags of the service. */
export type LargeFolderPlace = 'worker' | 'plugin alone'

export interface LargeFolderResult {
  readonly fileSystem: string
  readonly where: LargeFolderPlace
  readonly files: number
  readonly seconds: number
  readonly maxRssMb: number
  /** At most before the run: started, its code loaded, one task done. */
  readonly idleRssMb: number
  readonly loopLagP99Ms: number
}

export interface DatabaseResult {
  readonly rows: number
  readonly seconds: number
  readonly slowestWriteMs: readonly number[]
  readonly p99WriteMs: readonly number[]
  readonly maxWalMb: number
  readonly fileMbBefore: number
  readonly fileMbAfter: number
}

export interface CleanupResults {
  readonly files: number
  readonly deletions: readonly DeletionResult[]
  readonly largeFolders: readonly LargeFolderResult[]
  readonly database: DatabaseResult
}

export type CleanupRun = Run<CleanupResults>
