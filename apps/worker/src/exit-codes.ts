import { isWorkerError } from '@mcp-worker/runtime'

/** What the process ends with; docs/operating.md explains each. 137 (the loop is blocked) is the keeper's doing. */
export const EXIT = {
  /** Drained, or handed back cooperatively. */
  ok: 0,
  /** Some tasks had to be released by force, or a defect. */
  forced: 70,
  /** The store cannot be trusted. */
  storeFault: 74,
  /** The store cannot be reached. */
  unreachable: 75,
  configuration: 78,
} as const

/** A second signal ends the process with the shell's number for it. */
export const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const
export type StopSignal = keyof typeof SIGNAL_EXIT

export function exitCodeOfStart(error: unknown): number {
  if (!isWorkerError(error)) return EXIT.forced
  switch (error.code) {
    case 'bad_configuration':
    case 'handshake_failed':
    case 'store_newer':
    case 'network_file_system':
    case 'pragma_refused':
      return EXIT.configuration
    case 'store_failed':
    case 'storage_full':
      return EXIT.storeFault
    case 'store_unavailable':
    case 'outcome_unknown':
      return EXIT.unreachable
    default:
      return EXIT.forced
  }
}
