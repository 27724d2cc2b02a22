import type { ApiClient } from './api-client.js'
import type { Machine } from './doctor/finding.js'
import type { Terminal } from './terminal.js'

export interface CommandLine {
  readonly terminal: Terminal
  readonly version: string
  /** What relative paths start from. */
  readonly cwd: string
  readonly machine: Machine
  /** Both resolve with the exit code when the service has ended. */
  readonly start: () => Promise<number>
  readonly startReloading: () => Promise<number>
}

export interface CommandContext extends CommandLine {
  readonly api: () => ApiClient
  /** Sets the exit code. */
  readonly end: (code: number) => void
}
