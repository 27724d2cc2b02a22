import type { Board, BoardEntry } from './board.js'

/** What the watchdog knows between two looks. */
export interface WatchdogState {
  readonly beats: number
  /** When the beats were last seen to move, in monotonic milliseconds. */
  readonly movedAt: number
  /** Of the last look. */
  readonly lookedAt: number
}

/** Of a longer time between two looks only this much counts: then this thread stood still too, and cannot know what the loop did. */
const LONGEST_GAP_MS = 1000

/**
 * Looks at the board: which inline delivery blocks the main loop past its deadline + grace, if any.
 *
 * A loop is blocked when it has not turned for `graceMs` (so no signal could have been seen either), as far as this thread was awake to see it:
 * after a freeze of the whole process (SIGSTOP, a paused container) the loop gets its time to turn. The delivery that acted last is
 * the one that blocks; it is ended only once its own deadline + grace has passed. Pure.
 */
export function lookAtLoop(
  board: Pick<Board, 'beats' | 'entries'>,
  before: WatchdogState,
  now: number,
  graceMs: number,
): { readonly state: WatchdogState; readonly blocking: BoardEntry | null } {
  const beats = board.beats()
  const unseenMs = Math.max(0, now - before.lookedAt - LONGEST_GAP_MS)
  const movedAt = beats === before.beats ? before.movedAt + unseenMs : now
  const state = { beats, movedAt, lookedAt: now }
  if (now - state.movedAt < graceMs) return { state, blocking: null }
  const suspect = lastToAct(board.entries())
  const overdue = suspect !== null && now >= suspect.deadline + graceMs
  return { state, blocking: overdue ? suspect : null }
}

function lastToAct(entries: readonly BoardEntry[]): BoardEntry | null {
  let last: BoardEntry | null = null
  for (const entry of entries) {
    if (entry.inline && (last === null || entry.touched > last.touched)) last = entry
  }
  return last
}

/**
 * The fences whose leases go on. In a turning loop every delivery up to its deadline + grace. In a blocked one the inline
 * deliveries cannot stop themselves, so they keep theirs as long as the process lives: the watchdog ends it in time.
 */
export function fencesToRenew(
  entries: readonly BoardEntry[],
  loop: { readonly blocked: boolean; readonly now: number; readonly graceMs: number },
): string[] {
  return entries
    .filter((entry) => (loop.blocked && entry.inline) || loop.now < entry.deadline + loop.graceMs)
    .map((entry) => entry.fence)
}
