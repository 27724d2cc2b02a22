import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20
const WINDOW_MS = 30_000

export interface LoopLag {
  start(): void
  /** 99th percentile of the main loop's delay in the last half to whole minute, in milliseconds. 0 before the start. */
  readonly p99Ms: () => number
  stop(): void
}

export function createLoopLag(): LoopLag {
  // two, each begun half a window after the other and never reset: a reset forgets the block that is just going on
  let recordings: readonly Recording[] = []
  let turning: NodeJS.Timeout | null = null
  function turn(): void {
    const [older, newer] = recordings
    older?.disable()
    recordings = newer ? [newer, record()] : [record(), record()]
  }
  return {
    start() {
      turn()
      turning = setInterval(turn, WINDOW_MS).unref()
    },
    p99Ms: () => Math.max(0, ...recordings.map(p99Of)),
    stop() {
      if (turning) clearInterval(turning)
      for (const recording of recordings) recording.disable()
    },
  }
}

type Recording = ReturnType<typeof monitorEventLoopDelay>

function record(): Recording {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return histogram
}

/** The histogram counts the timer's own interval; what is above it is lag. */
function p99Of(histogram: Recording): number {
  return histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS)
}
