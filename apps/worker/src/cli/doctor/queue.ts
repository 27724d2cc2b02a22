import { existsSync } from 'node:fs'
import { ERROR_CODES, isWorkerError } from '@mcp-worker/runtime'
import type { QueueState } from '@mcp-worker/runtime/sqlite'
import { queuePath } from '../../store.js'
import { counted, fault, type Finding, mebibytes, ok, type Patient, skipped, warning } from './finding.js'

const LARGE_LOG = 128 * 1024 * 1024
const LONG_WAIT_MS = 300_000
/** A type that every worker has, without a plugin. */
const OWN_TYPE = 'health_check'

const neither = (why: string) => [skipped('queue_file', why), skipped('tasks', why)]

/** The queue's file from end to end, and what its tasks say. */
export async function checkQueue(patient: Patient): Promise<Finding[]> {
  if (patient.environment.QUEUE_URL === 'memory') return neither('QUEUE_URL is memory:')
  const path = queuePath(patient.dataDir)
  if (!existsSync(path)) return neither('there is none yet; the first start makes it')
  const { checkQueueFile, countWorkers, readQueueState } = await import('@mcp-worker/runtime/sqlite')
  try {
    const report = checkQueueFile(path, 'quick')
    const workers = countWorkers(path)
    const state = readQueueState(path)
    const detail = `schema ${report.schemaVersion}, ${counted(report.tasks, 'task')}, open in ${counted(workers, 'worker')}`
    return [...aboutFile(report, state, detail), ...aboutTasks(state, workers, patient)]
  } catch (error) {
    if (!isWorkerError(error)) throw error
    const found = [error.message, ...error.faults.map(({ message }) => message)]
    const detail = `${path}: ${[...new Set(found)].slice(0, 4).join('; ')} (${error.code})`
    return [
      fault('queue_file', detail, remedyOf(error.code, error.remedy)),
      skipped('tasks', 'see queue_file'),
    ]
  }
}

function remedyOf(code: string, remedy: string): string {
  if (code !== 'store_failed') return remedy
  return 'Stop the workers, check the disk, and put the last backup in place: mcp-worker restore FILE'
}

function aboutFile(
  { damaged, damagedIds }: { readonly damaged: number; readonly damagedIds: readonly string[] },
  { walBytes }: QueueState,
  detail: string,
): Finding[] {
  const findings: Finding[] = []
  if (damaged > 0) {
    const which = `${counted(damaged, 'task')} with another hash than was stored (${damagedIds.slice(0, 5).join(', ')})`
    const remedy =
      'Check the disk and the memory of the machine; each of them will fail as corrupt: submit it again'
    findings.push(fault('queue_file', which, remedy))
  }
  if (walBytes > LARGE_LOG) {
    const remedy =
      'End the program that reads queue.db for so long (a sqlite3 shell?): the log shrinks once it is gone'
    findings.push(warning('queue_file', `its log has ${mebibytes(walBytes)}`, remedy))
  }
  return findings.length > 0 ? findings : [ok('queue_file', detail)]
}

function aboutTasks(state: QueueState, workers: number, { configuration }: Patient): Finding[] {
  const total = state.waiting.reduce((sum, { count }) => sum + count, 0)
  const known = configuration?.plugins.flatMap(({ handlers }) => handlers.map(({ type }) => type))
  const foreign = state.waiting.filter(({ type }) => known?.includes(type) === false && type !== OWN_TYPE)
  const findings = foreign.map(({ type, count }) =>
    warning(
      'tasks',
      `${counted(count, 'waiting task')} of type ${type}, which no plugin of this configuration has`,
      `Add the plugin of ${type}, or cancel them`,
    ),
  )
  for (const type of state.paused) {
    findings.push(warning('tasks', `${type} is paused`, `Resume it: mcp-worker resume ${type}`))
  }
  const waitedMs = state.oldestReadyAt === null ? 0 : Date.now() - state.oldestReadyAt
  if (waitedMs > LONG_WAIT_MS) {
    const detail = `the oldest task that could run has waited for ${counted(Math.floor(waitedMs / 60_000), 'minute')}`
    const remedy =
      workers === 0
        ? 'No worker runs on this DATA_DIR: start one'
        : 'Start more workers or raise WORKER_CONCURRENCY; see the first finding on tasks, if there is one'
    findings.push(warning('tasks', detail, remedy))
  }
  for (const { type, code, count } of state.failures) {
    const detail = `${counted(count, 'task')} of type ${type} failed with ${code} in the last 24 hours`
    const where = ERROR_CODES.some((one) => one === code) ? 'docs/errors.md has' : 'its plugin documents'
    const remedy = `mcp-worker list --status failed --type ${type}; ${where} ${code}`
    findings.push(warning('tasks', detail, remedy))
  }
  return findings.length > 0
    ? findings
    : [ok('tasks', `${counted(total, 'waiting task')}, none failed in the last 24 hours`)]
}
