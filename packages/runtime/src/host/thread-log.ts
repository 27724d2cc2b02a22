import type { PluginLog } from '../plugin.js'
import { isCloneError } from './questions.js'
import type { FromThread, PortLine } from './port.js'

const MAX_LINES_PER_SECOND = 1000
/** Lines that wait for the end of the turn; a loop that never ends its turn sends them in such heaps. */
const MAX_WAITING = 100

export interface ThreadLog {
  /** The log of a delivery, by its fence; null: the plugin's own. */
  of(fence: string | null): PluginLog
  flush(): void
}

/** Log lines of a thread, sent once per turn. What is beyond 1,000 lines a second is dropped and counted: the worker must not drown. */
export function createThreadLog(post: (message: FromThread) => void): ThreadLog {
  let waiting: PortLine[] = []
  let second = 0
  let inSecond = 0
  let dropped = 0
  const flush = () => {
    if (waiting.length === 0) return
    const lines = waiting
    waiting = []
    sendLines(lines, post)
  }
  const add = (line: PortLine) => {
    if (waiting.push(line) === 1) setImmediate(flush)
    if (waiting.length >= MAX_WAITING) flush()
  }
  const nextSecond = (now: number) => {
    second = now
    inSecond = 0
    if (dropped === 0) return
    add({ fence: null, level: 'warn', event: 'log_lines_dropped', fields: { dropped } })
    dropped = 0
  }
  const write = (line: PortLine) => {
    const now = Math.floor(performance.now() / 1000)
    if (now !== second) nextSecond(now)
    if (++inSecond <= MAX_LINES_PER_SECOND) add(line)
    else dropped++
  }
  const of = (fence: string | null): PluginLog => {
    const at = (level: PortLine['level']) => (event: string, fields?: PortLine['fields']) =>
      write({ fence, level, event, fields })
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }
  return { of, flush }
}

function sendLines(lines: readonly PortLine[], post: (message: FromThread) => void): void {
  try {
    post({ kind: 'log', lines })
  } catch (error) {
    if (!isCloneError(error)) throw error
    post({ kind: 'log', lines: lines.map((line) => ({ ...line, fields: plainFields(line.fields) })) })
  }
}

function plainFields(fields: PortLine['fields']): PortLine['fields'] {
  if (fields === undefined) return undefined
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, plain(value)]))
}

function plain(value: unknown): unknown {
  try {
    return structuredClone(value)
  } catch {
    return `[${typeof value}]`
  }
}
