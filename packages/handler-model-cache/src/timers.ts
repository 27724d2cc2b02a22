/** The longest that a timer of Node.js waits: what is longer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Calls back once after `ms`, however long that is, unless cancelled. Does not keep the process alive. */
export function callAfter(ms: number, callback: () => void): () => void {
  const dueAt = performance.now() + ms
  let timer: NodeJS.Timeout
  const wait = (leftMs: number) => {
    timer = setTimeout(
      () => {
        const left = dueAt - performance.now()
        // a timer may fire a fraction of a millisecond early
        if (left < 1) callback()
        else wait(left)
      },
      Math.min(Math.max(0, leftMs), MAX_TIMER_MS),
    )
    timer.unref()
  }
  wait(ms)
  return () => clearTimeout(timer)
}

/** As `AbortSignal.timeout`, which throws for fractions and ends at once what is longer than 24.8 days: that is the longest here. */
export function timeoutSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(Math.min(Math.ceil(ms), MAX_TIMER_MS))
}
