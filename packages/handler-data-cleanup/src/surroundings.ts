import type { OpenFiles } from './files/open-files.js'
import type { FreeSpace } from './files/pressure.js'

/** What a run takes from the machine; tests give their own clock and disk. */
export interface Surroundings {
  /** The plugin's own folder. */
  readonly dataDir: string
  readonly concurrency: number
  readonly maxDepth: number
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly openFiles: () => Promise<OpenFiles>
  readonly freeSpace: (path: string) => Promise<FreeSpace>
}
