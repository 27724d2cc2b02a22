import type { MessagePort } from 'node:worker_threads'
import type { Board } from './board.js'
import type { Clock } from '../clock.js'

/**
 * What a queue driver puts into the keeper thread: the module that it names exports `openResident`. It does there what must go on while the main
 * thread is blocked: renew leases, and settle what the watchdog ends. (The embedded queue has its only connection there as well.)
 */
export interface Resident {
  /** Every `renewMs`: prolong the leases of these fences. */
  renew(fences: readonly string[]): void | Promise<void>
  /**
   * The watchdog is about to end the process: settle the blocking delivery as an attempt `timed_out`, release the others with their fences, all
   * durably before the answer. Inline ones are released as suspects, for the blame may be wrong: delivered alone, the guilty one shows itself.
   * Answers the blocking task where it is known.
   */
  settleBlocked(
    blocking: string,
    others: readonly OtherInHand[],
  ): BlockedTask | null | Promise<BlockedTask | null>
  close(): void | Promise<void>
}

export interface OtherInHand {
  readonly fence: string
  readonly inline: boolean
}

export interface BlockedTask {
  readonly taskId: string
  readonly taskType: string
}

export interface ResidentContext {
  /** To the driver's main-thread side. Messages are the driver's own. */
  readonly port: MessagePort
  readonly data: unknown
  readonly board: Board
  readonly clock: Clock
  /** The keeper's own log line, written from its thread: it works while the main thread is blocked. */
  readonly log: (level: 'info' | 'warn' | 'error', event: string, fields?: Record<string, unknown>) => void
}

export interface ResidentModule {
  openResident(context: ResidentContext): Resident | Promise<Resident>
}
