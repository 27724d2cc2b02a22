import { countOldRows } from './clean-databases.js'
import { cleanFiles } from './clean-files.js'
import { cleanHub } from './clean-hub.js'
import { fault } from './fault.js'
import { type PreviewInput, type PreviewOutput, payloadSchema } from './payload.js'
import { type Findings, nothingFound, resultOf } from './result.js'
import { type CleanupDeps, refuseInapplicable } from './run-cleanup.js'
import { decideAgeMs, findTarget } from './selection.js'
import type { TaskContext } from './task-context.js'

/** A query has 10 s; the walk stops 5 s before its deadline. */
const WITHIN_MS = 13_000

/** A page of what a run would delete now: the same code as the run, which only looks. */
export async function previewCleanup(
  { limit, ...selection }: PreviewInput,
  deps: CleanupDeps,
  signal: AbortSignal,
): Promise<PreviewOutput> {
  const target = findTarget(selection.target, deps.targets)
  const payload = payloadSchema.parse({ ...selection, dry_run: true })
  refuseInapplicable(target, payload)
  const paged = { ...payload, max_files: limit }
  const context = watchOnly(signal)
  const directories: string[] = []
  const databases: PreviewOutput['databases'] = []
  let findings: Findings = nothingFound()
  if (target.kind === 'files')
    findings = await cleanFiles(target, paged, deps.around, context, (path) => directories.push(path))
  else if (target.kind === 'hf_cache') findings = await cleanHub(target, paged, deps.around, context)
  else if (target.kind === 'database') {
    const cutoff = deps.around.now() - decideAgeMs(payload.target, target, payload.older_than)
    databases.push(...(await countOldRows(target, countOnly(cutoff), signal)))
  } else
    throw fault('NOT_APPLICABLE', `target ${payload.target} (${target.kind}) cannot be looked at beforehand`)
  const head = { target: payload.target, kind: target.kind, dry_run: true }
  const { skipped, next_cursor, safety } = findings
  const rows = databases.reduce((sum, each) => sum + each.rows, 0)
  const summary =
    target.kind === 'database'
      ? `${payload.target}: would delete ${rows.toLocaleString('en-US')} rows.`
      : resultOf(head, findings, 0).summary.replace(/ Took .*$/, '')
  const files = findings.files.slice(0, limit)
  return { target: payload.target, safety, summary, files, directories, skipped, next_cursor, databases }
}

function countOnly(cutoff: number) {
  return { cutoff, batchSize: 1, pauseMs: 0, stopAt: Infinity, progress: () => {} }
}

function watchOnly(signal: AbortSignal): TaskContext {
  return {
    signal,
    progress: () => {},
    checkpoint: { get: () => null, set: async () => {} },
    submit: refuseToAct,
    snooze: refuseToAct,
    task: { delivery: 1, deadline: Date.now() + WITHIN_MS },
  }
}

function refuseToAct(): never {
  throw new TypeError('a preview submits nothing and puts nothing off')
}
