import type { Logger } from 'pino'

/** Does something again and again, never twice at once; a failure is logged and the next turn goes on. */
export function repeat(
  everyMs: number,
  work: () => Promise<unknown>,
  logger: Logger,
  failedEvent: string,
): { stop(): void } {
  let stopped = false
  let timer: NodeJS.Timeout
  async function turn(): Promise<void> {
    await work().catch((error: unknown) => {
      if (!stopped) logger.warn({ error: String(error) }, failedEvent)
    })
    if (!stopped) schedule()
  }
  function schedule(): void {
    timer = setTimeout(() => void turn(), everyMs).unref()
  }
  schedule()
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
