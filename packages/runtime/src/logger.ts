import { pino, type DestinationStream, type Logger } from 'pino'
import type { PluginLog } from './plugin.js'
import { redact, stripControl } from './redact.js'

export interface LoggerOptions {
  /** Default `info`. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
  /** Default: standard output, written in the background; `flushLog` before the process ends. */
  readonly destination?: DestinationStream
}

/** One JSON line per event: `timestamp`, `level`, `event`, then the event's fields in snake_case. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const destination = options.destination ?? logDestination(1)
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      messageKey: 'event',
      timestamp: () => `,"timestamp":"${isoNow()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )
}

/**
 * A file, or a file descriptor, written in the background: at once when 16 KiB have gathered, else ten times a second. What a killed process had not
 * written yet is lost; an orderly end writes it.
 */
export function logDestination(to: string | number): DestinationStream {
  return pino.destination({
    dest: to,
    sync: false,
    minLength: 16_384,
    maxWrite: 65_536,
    periodicFlush: 100,
    mkdir: true,
  })
}

let lastMs = 0
let lastIso = ''

/** Many lines are written within one millisecond: formatting the date costs more than the rest of a line. */
function isoNow(): string {
  const now = Date.now()
  if (now !== lastMs) {
    lastMs = now
    lastIso = new Date(now).toISOString()
  }
  return lastIso
}

/** The log that plugins are given: strings of their fields are redacted and stripped of control characters. */
export function pluginLog(logger: Logger, fixed: Readonly<Record<string, unknown>>): PluginLog {
  const at = (level: keyof PluginLog) => (event: string, fields?: Readonly<Record<string, unknown>>) => {
    if (logger.isLevelEnabled(level)) logger[level]({ ...fixed, ...clean(fields) }, cleanText(event))
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function clean(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? cleanText(value) : value]),
  )
}

/** What a plugin said, on one line and without what looks like a secret. */
export function cleanText(text: string): string {
  return redact(stripControl(text))
}
