import { createLogger } from '@mcp-worker/runtime'
import { destination, type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { Environment } from './environment.js'

export interface ServiceLog {
  readonly log: Logger
  /** Lines are written in the background: call it before the process ends. */
  readonly flush: () => void
}

/** JSON lines on standard output; for people to read where ENVIRONMENT is `development`. */
export function createServiceLog({ ENVIRONMENT, LOG_LEVEL }: Environment): ServiceLog {
  if (ENVIRONMENT === 'development') {
    const stream = pretty({ messageKey: 'event', timestampKey: 'timestamp', sync: true })
    return { log: createLogger({ level: LOG_LEVEL, destination: stream }), flush: () => undefined }
  }
  const stream = destination({ fd: 1, sync: false })
  return { log: createLogger({ level: LOG_LEVEL, destination: stream }), flush: () => stream.flushSync() }
}
