import { createLogger } from '@mcp-worker/runtime'
import { destination, type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { Environment } from './environment.js'

const FLUSH_MS = 200

export interface ServiceLog {
  readonly log: Logger
  /** Lines are written in the background: wait for it before the process ends. */
  readonly flush: () => Promise<void>
}

/** JSON lines on standard output; for people to read where ENVIRONMENT is `development`. */
export function createServiceLog({ ENVIRONMENT, LOG_LEVEL }: Environment): ServiceLog {
  if (ENVIRONMENT === 'development') {
    const stream = pretty({ messageKey: 'event', timestampKey: 'timestamp', sync: true })
    return { log: createLogger({ level: LOG_LEVEL, destination: stream }), flush: () => Promise.resolve() }
  }
  // in blocks, ten times a second at least; with a minLength of 0 `flush` would call back before anything is written (sonic-boom 4)
  const stream = destination({ fd: 1, sync: false, minLength: 4096, periodicFlush: 100 })
  return { log: createLogger({ level: LOG_LEVEL, destination: stream }), flush: () => flushed(stream) }
}

/** `flushSync` would overtake a write that is under way: lines out of order, or lost. A reader that does not read is not waited for. */
function flushed(stream: ReturnType<typeof destination>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MS)
    stream.flush(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
