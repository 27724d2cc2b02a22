import { isFinal, type LogLine, type Task } from '@mcp-worker/runtime'
import { z } from 'zod'
import { isoTime, taskJson } from './task-json.js'

/** One server-sent event; `data` is JSON text. */
export interface TaskEvent {
  readonly event: 'status' | 'progress' | 'log'
  readonly data: string
}

/**
 * What a listener has been told: the id of an event is this, so that any worker can go on for any other, and nothing is kept for listeners that
 * are away.
 */
const toldSchema = z.strictObject({
  status: z.string(),
  progress: z.string(),
  /** The last line, and how many like it there were. */
  line: z.string(),
  lines: z.int().min(0),
})
export type Told = z.output<typeof toldSchema>

const NOTHING: Told = { status: '', progress: '', line: '', lines: 0 }
const MAX_LINE_KEY = 200

/** What there is to say that was not said yet, in its order: lines and progress before the status that ends them. */
export function newsOf(
  task: Task,
  told: Told,
): { readonly events: readonly TaskEvent[]; readonly told: Told } {
  const lines = newLines(task.log, told)
  const last = task.log.at(-1)
  const now: Told = {
    status: [task.status, task.deliveries, task.attempts, task.cancelRequested].join(' '),
    progress: task.progress === null ? '' : JSON.stringify(task.progress),
    line: last === undefined ? '' : keyOf(last),
    lines: last === undefined ? 0 : task.log.filter((line) => keyOf(line) === keyOf(last)).length,
  }
  const reports: TaskEvent[] = lines.map((line) => ({ event: 'log', data: lineJson(line) }))
  if (now.progress !== '' && now.progress !== told.progress)
    reports.push({ event: 'progress', data: now.progress })
  const status: TaskEvent[] =
    now.status === told.status ? [] : [{ event: 'status', data: taskJson(task).text }]
  return { events: isFinal(task.status) ? [...reports, ...status] : [...status, ...reports], told: now }
}

/** After the last one told; all, where that is not among the hundred that are kept any more. */
function newLines(log: readonly LogLine[], { line, lines }: Told): readonly LogLine[] {
  let seen = 0
  for (const [index, each] of log.entries()) {
    if (keyOf(each) === line && ++seen === lines) return log.slice(index + 1)
  }
  return log
}

function keyOf({ at, level, event }: LogLine): string {
  return `${at} ${level} ${event}`.slice(0, MAX_LINE_KEY)
}

function lineJson({ at, level, event }: LogLine): string {
  return JSON.stringify({ at: isoTime(at), level, event })
}

export function toEventId(told: Told): string {
  return Buffer.from(JSON.stringify(told)).toString('base64url')
}

/** What `Last-Event-ID` says; where it is none of ours, everything is told anew. */
export function fromEventId(id: string | undefined): Told {
  try {
    return toldSchema.parse(JSON.parse(Buffer.from(id ?? '', 'base64url').toString()))
  } catch {
    return NOTHING
  }
}
