import { join } from 'node:path'
import type { TaskStore } from '@mcp-worker/runtime'
import { cleanDatabases } from './clean-databases.js'
import { cleanFiles } from './clean-files.js'
import { cleanHub } from './clean-hub.js'
import { askOthers, cleanTaskResults } from './clean-tasks.js'
import { fault } from './fault.js'
import type { CleanupMetrics } from './metrics.js'
import type { Target } from './options.js'
import type { CleanupResult, Payload } from './payload.js'
import { type Findings, nothingFound, resultOf } from './result.js'
import { findTarget } from './selection.js'
import type { Surroundings } from './surroundings.js'
import { lockTarget } from './target-lock.js'
import type { TaskContext } from './task-context.js'

export interface CleanupDeps {
  readonly targets: Readonly<Record<string, Target>>
  readonly around: Surroundings
  readonly metrics: CleanupMetrics
  readonly taskStore: TaskStore
}

/** For the delivery after a crash: the dead one's lock may need a moment to go. */
const LOCK_WAIT_MS = 2_000

/** One `data_cleanup` task: everything is checked, then the target is locked, then its own code runs. */
export async function runCleanup(
  payload: Payload,
  deps: CleanupDeps,
  context: TaskContext,
): Promise<CleanupResult> {
  const target = findTarget(payload.target, deps.targets)
  refuseInapplicable(target, payload)
  const from = performance.now()
  try {
    const findings = await locked(payload, deps, context, () => clean(target, payload, deps, context))
    const head = { target: payload.target, kind: target.kind, dry_run: payload.dry_run }
    const tookMs = performance.now() - from
    const result = resultOf(head, findings, tookMs)
    deps.metrics.ran(result, tookMs / 1_000)
    return result
  } catch (error) {
    if (!context.signal.aborted) deps.metrics.failed(payload.target, (performance.now() - from) / 1_000)
    throw error
  }
}

function clean(target: Target, payload: Payload, deps: CleanupDeps, context: TaskContext): Promise<Findings> {
  const { around } = deps
  switch (target.kind) {
    case 'files':
      return cleanFiles(target, payload, around, context)
    case 'hf_cache':
      return cleanHub(target, payload, around, context)
    case 'database':
      return cleanDatabases(target, payload, around, context)
    case 'tasks':
      return askOthers(target, payload, context)
    case 'task_results':
      return cleanTaskResults(target, payload, { store: deps.taskStore, now: around.now }, context)
  }
}

async function locked(
  payload: Payload,
  { around }: CleanupDeps,
  context: TaskContext,
  work: () => Promise<Findings>,
): Promise<Findings> {
  if (payload.dry_run) return work()
  const isRedelivery = context.task.delivery > 1
  const release = await lockTarget(join(around.dataDir, 'locks'), payload.target, {
    waitMs: isRedelivery ? LOCK_WAIT_MS : 0,
    signal: context.signal,
  })
  // a redelivered task must not end as `locked` because of its own predecessor, which may be cut off and still at work
  if (release === null && isRedelivery) return context.snooze('5s')
  if (release === null) return { ...nothingFound(), outcome: 'locked' }
  try {
    return await work()
  } finally {
    release()
  }
}

const FILE_FIELDS = [
  'include',
  'exclude',
  'keep_latest',
  'max_files',
  'max_bytes',
  'until_free',
  'cursor',
] as const
type Field = (typeof FILE_FIELDS)[number] | 'older_than' | 'max_duration'

/** What each kind has no use for: silence would pretend that it was heeded. */
const INAPPLICABLE: Readonly<Record<Target['kind'], readonly Field[]>> = {
  files: [],
  hf_cache: ['keep_latest', 'until_free', 'cursor'],
  database: FILE_FIELDS,
  tasks: [...FILE_FIELDS, 'older_than', 'max_duration'],
  task_results: ['include', 'exclude', 'keep_latest', 'max_bytes', 'until_free', 'cursor', 'max_duration'],
}

export function refuseInapplicable(target: Target, payload: Pick<Payload, 'target' | Field>): void {
  const given = INAPPLICABLE[target.kind].filter((field) => {
    const value = payload[field]
    return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== 0
  })
  if (given.length === 0) return
  throw fault(
    'NOT_APPLICABLE',
    `target ${payload.target} (${target.kind}) has no use for ${given.join(', ')}`,
  )
}
