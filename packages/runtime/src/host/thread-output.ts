import type { LogLine } from '../task.js'

type Write = (level: LogLine['level'], event: string, fields: Readonly<Record<string, unknown>>) => void

const MAX_LINE_LENGTH = 4096

/**
 * What code in this thread prints goes to the worker's log, line by line. Node would queue it in memory until the main thread reads it: a
 * loop that prints would eat the heap. The log limits its own rate (`thread-log.ts`).
 */
export function redirectOutput(write: Write): void {
  redirect(process.stdout, 'stdout', 'info', write)
  redirect(process.stderr, 'stderr', 'warn', write)
}

function redirect(stream: NodeJS.WriteStream, name: string, level: LogLine['level'], log: Write): void {
  let partial = ''
  const keep = (text: string) => {
    const lines = (partial + text).split('\n')
    partial = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH)
    for (const line of lines) {
      if (line !== '') log(level, 'plugin_output', { stream: name, line: line.slice(0, MAX_LINE_LENGTH) })
    }
  }
  const write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
    keep(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())
    const callback = typeof encoding === 'function' ? encoding : done
    // at once: in a loop that prints, callbacks that wait for their turn would pile up
    if (typeof callback === 'function') callback(null)
    return true
  }
  stream.write = write
}
