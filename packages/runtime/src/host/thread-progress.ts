import type { Progress } from '../task.js'

const INTERVAL_MS = 100

/** Sends the first progress at once, then at most one each 100 ms, always the last one said before `flush`. */
export function createThrottle(send: (progress: Progress) => void): {
  say(progress: Progress): void
  flush(): void
} {
  let waiting: Progress | null = null
  let sentAt = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | null = null
  const flush = () => {
    if (timer !== null) clearTimeout(timer)
    timer = null
    if (waiting === null) return
    const progress = waiting
    waiting = null
    sentAt = performance.now()
    send(progress)
  }
  return {
    flush,
    say(progress) {
      waiting = progress
      const due = sentAt + INTERVAL_MS - performance.now()
      // asked for on each call, since a computing handler never lets the timer fire
      if (due <= 0) flush()
      else timer ??= setTimeout(flush, due)
    },
  }
}
