import type { Logger } from 'pino'

/**
 * Does something again and again, never twice at once; a failure is logged and the next turn goes on. Work that answers a number is done again after so
 * many milliseconds.
 */
export function repeat(
  everyMs: number,
  work: () => Promise<unknown>,
  logger: Logger,
  failedEvent: string,
): { stop(): void } {
  let stopped = false
  let timer: NodeJS.Timeout
  async function turn(): Promise<void> {
    const next = await work().catch((error: unknown) => {
      if (!stopped) logger.warn({ error: String(error) }, failedEvent)
    })
    if (!stopped) schedule(typeof next === 'number' ? next : everyMs)
  }
  function schedule(ms: number): void {
    timer = setTimeout(() => void turn(), ms).unref()
  }
  schedule(everyMs)
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
