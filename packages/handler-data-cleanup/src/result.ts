import { sayMs } from './age.js'
import { newTally } from './files/tally.js'
import type { CleanupResult, DatabaseResult } from './payload.js'

/** What a target's own code answers; the rest of the result is the same for all. */
export type Findings = Omit<CleanupResult, 'target' | 'kind' | 'dry_run' | 'summary'>

export function nothingFound(): Findings {
  return {
    ...newTally(),
    outcome: 'done',
    safety: 'not_applicable',
    truncated_by: null,
    next_cursor: null,
    pressure: null,
    databases: [],
    tasks: [],
  }
}

export function resultOf(
  head: Pick<CleanupResult, 'target' | 'kind' | 'dry_run'>,
  findings: Findings,
  tookMs: number,
): CleanupResult {
  return { ...head, ...findings, summary: summarize(head, findings, tookMs) }
}

/** For a person who reads the task: what happened, what stayed and why, what to do next. */
function summarize(
  { target, kind, dry_run }: Pick<CleanupResult, 'target' | 'kind' | 'dry_run'>,
  found: Findings,
  tookMs: number,
): string {
  if (found.outcome === 'locked') return `${target}: another run is at work on this target; nothing was done.`
  if (found.outcome === 'absent') return `${target}: the folder does not exist; nothing was done.`
  if (found.outcome === 'not_needed') return `${target}: enough space is free; nothing was done.`
  const sentences =
    kind === 'database'
      ? found.databases.map(sayDatabase)
      : kind === 'tasks'
        ? [`${dry_run ? 'Would ask' : 'Asked'} for ${plural(found.tasks.length, 'task')}.`]
        : sayFiles(found, dry_run)
  return [
    `${target}:`,
    ...sentences,
    ...sayPressure(found),
    ...(found.truncated_by === null ? [] : [`Stopped by ${found.truncated_by}.`]),
    ...(found.next_cursor === null ? [] : ['Go on with next_cursor.']),
    `Took ${sayMs(tookMs)}.`,
  ].join(' ')
}

function sayFiles(found: Findings, dryRun: boolean): string[] {
  const verb = dryRun ? 'Would delete' : 'Deleted'
  const folders =
    found.directories_deleted === 0 ? '' : ` and ${plural(found.directories_deleted, 'empty folder')}`
  const skipped = Object.entries(found.skipped)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, n]) => `${count(n)} ${reason.replaceAll('_', ' ')}`)
  return [
    `${verb} ${plural(found.deleted, 'file')}${folders}, ${sayBytes(found.bytes_freed)}, looked at ${count(found.scanned)}.`,
    ...(skipped.length === 0 ? [] : [`Kept: ${skipped.join(', ')}.`]),
    ...(found.error_count === 0 ? [] : [`${count(found.error_count)} could not be deleted.`]),
  ]
}

function sayDatabase(database: DatabaseResult): string {
  const { name, rows_deleted, bytes_before, bytes_after, checkpoint, vacuum, rows_locked } = database
  const notes = [
    ...(checkpoint === 'busy' ? ['readers held up the checkpoint'] : []),
    ...(vacuum === 'not_enabled' ? ['its free pages stay in the file (no incremental vacuum)'] : []),
    ...(rows_locked > 0 ? [`${plural(rows_locked, 'old row')} locked by others`] : []),
  ]
  const size = `${sayBytes(bytes_before)} → ${sayBytes(bytes_after)}`
  return `${name}: ${plural(rows_deleted, 'row')} deleted, ${size}${notes.length > 0 ? `; ${notes.join('; ')}` : ''}.`
}

function sayPressure({ pressure }: Findings): string[] {
  if (pressure === null) return []
  const { free_after, wanted_bytes, reached } = pressure
  return [`${sayBytes(free_after)} free, ${sayBytes(wanted_bytes)} wanted${reached ? '' : ': not reached'}.`]
}

function plural(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`
}

function count(n: number): string {
  return n.toLocaleString('en-US')
}

export function sayBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  const value = bytes / 1024 ** power
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`
}
