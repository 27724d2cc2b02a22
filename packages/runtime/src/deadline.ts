import { AbortedWork } from './host/host.js'
import type { AbortReason } from './plugin.js'

/** Node's timers end at this many milliseconds (24.8 days); longer limits are cut to it. */
const LONGEST_TIMER_MS = 2_147_483_647

/** One delivery's time limit and everything else that may stop it, behind one signal. The first reason stays. */
export interface Deadline {
  /** Made on first use: most handlers never ask, and a signal costs more than the rest of a short task. */
  signal(): AbortSignal
  abort(reason: AbortReason): void
  reason(): AbortReason | null
  clear(): void
}

export function createDeadline(timeoutMs: number): Deadline {
  let controller: AbortController | null = null
  let reason: AbortReason | null = null
  const timer = setTimeout(() => abort('timeout'), Math.min(timeoutMs, LONGEST_TIMER_MS))

  function abort(why: AbortReason): void {
    if (reason) return
    reason = why
    controller?.abort(new AbortedWork(why))
  }
  return {
    abort,
    reason: () => reason,
    clear: () => clearTimeout(timer),
    signal() {
      if (controller) return controller.signal
      controller = new AbortController()
      if (reason) controller.abort(new AbortedWork(reason))
      return controller.signal
    },
  }
}
