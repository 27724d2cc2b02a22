import {
  isFinal,
  isWorkerError,
  TASK_STATUSES,
  type Task,
  type TaskStatus,
  type Worker,
} from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope } from './authorise.js'
import { type Route, route } from './route.js'
import { instant } from './task-json.js'

const MOST = 10_000
const PAGE = 500
const AT_ONCE = 100
const IDS_SHOWN = 100

const LIVE = TASK_STATUSES.filter((status) => !isFinal(status))

/** Without a condition it would be everything: that must be said by naming the statuses. */
const filterOf = (statuses: readonly TaskStatus[], byDefault: readonly TaskStatus[]) =>
  z
    .strictObject({
      type: z.string().min(1).max(64).optional(),
      status: z
        .array(z.enum(statuses))
        .min(1)
        .optional()
        .describe(`Default: ${byDefault.join(', ')}`),
      created_before: instant.optional(),
      created_after: instant.optional(),
      limit: z
        .int()
        .min(1)
        .max(MOST)
        .default(1_000)
        .describe('The newest first; `more` says that others are left'),
      dry_run: z.boolean().default(false).describe('Only say which'),
    })
    .refine(
      ({ type, status, created_before, created_after }) => type ?? status ?? created_before ?? created_after,
      {
        error: 'expected at least one of type, status, created_before, created_after',
      },
    )

type Filter = z.output<ReturnType<typeof filterOf>>

const answerSchema = z
  .object({
    dry_run: z.boolean(),
    matched: z.int(),
    changed: z.int().describe('0 in a dry run'),
    skipped: z.int().describe('Those that ended, or were put back, meanwhile'),
    more: z
      .boolean()
      .describe('Others are left: beyond the limit, or the service closed before it came to them'),
    ids: z.array(z.string()).describe(`Of the matched, the first ${IDS_SHOWN}`),
  })
  .meta({ id: 'BulkAnswer' })

export function bulkRoutes(worker: Worker): readonly Route[] {
  return [
    bulk(worker, {
      verb: 'cancel',
      summary: 'Cancel all tasks that match; try it with `dry_run` first',
      statuses: LIVE,
      byDefault: LIVE,
      act: (id) => worker.cancel(id),
    }),
    bulk(worker, {
      verb: 'replay',
      summary: 'Put all failed or cancelled tasks back that match; try it with `dry_run` first',
      statuses: ['failed', 'cancelled'],
      byDefault: ['failed'],
      act: (id) => worker.replay(id),
    }),
  ]
}

interface Bulk {
  readonly verb: 'cancel' | 'replay'
  readonly summary: string
  readonly statuses: readonly TaskStatus[]
  readonly byDefault: readonly TaskStatus[]
  readonly act: (id: string) => Promise<unknown>
}

function bulk(worker: Worker, { verb, summary, statuses, byDefault, act }: Bulk): Route {
  return route({
    method: 'POST',
    path: `/tasks/${verb}`,
    operationId: `${verb}Tasks`,
    summary,
    scope: 'operate',
    body: filterOf(statuses, byDefault),
    answers: { 202: { description: 'What matched, and what became of it', schema: answerSchema } },
    problems: [413, 415, 422],
    handle: async ({ principal, body, signal }) => {
      requireScope(principal, 'operate')
      const found = await matching(worker, { ...body, status: body.status ?? [...byDefault] })
      const ids = found.slice(0, body.limit)
      const { tried, changed } = body.dry_run
        ? { tried: ids.length, changed: 0 }
        : await actOnAll(ids, act, signal)
      const answer = {
        dry_run: body.dry_run,
        matched: ids.length,
        changed,
        skipped: body.dry_run ? 0 : tried - changed,
        more: found.length > tried,
        ids: ids.slice(0, IDS_SHOWN),
      }
      return { status: 202, body: answer }
    },
  })
}

/** The ids of one more than the limit, all gathered before the first is changed: a change would move the pages. */
async function matching(
  worker: Worker,
  filter: Filter & { readonly status: readonly TaskStatus[] },
): Promise<string[]> {
  const { type, status, limit } = filter
  // by id: a task that goes on meanwhile is met in a second status as well
  const found = new Map<string, Task['createdAt']>()
  for (const each of new Set(status)) {
    let cursor: string | null = null
    let matched = 0
    do {
      const page = await worker.list({
        status: each,
        limit: PAGE,
        ...(type !== undefined && { type }),
        ...(cursor !== null && { cursor }),
      })
      const fitting = page.tasks.filter((task) => isBetween(task, filter))
      // not the tasks themselves: ten thousand may be as many payloads of a mebibyte
      for (const { id, createdAt } of fitting) found.set(id, createdAt)
      matched += fitting.length
      cursor = page.cursor
    } while (cursor !== null && matched <= limit)
  }
  const newestFirst = [...found].toSorted(([, a], [, b]) => b - a)
  return newestFirst.slice(0, limit + 1).map(([id]) => id)
}

function isBetween({ createdAt }: Task, { created_before, created_after }: Filter): boolean {
  if (created_before !== undefined && createdAt >= Date.parse(created_before)) return false
  return created_after === undefined || createdAt > Date.parse(created_after)
}

/** What meanwhile ended or was put back by somebody else is no fault. Stops between two groups when nobody waits any more. */
async function actOnAll(ids: readonly string[], act: Bulk['act'], signal: AbortSignal) {
  let tried = 0
  let changed = 0
  for (let at = 0; at < ids.length && !signal.aborted; at += AT_ONCE) {
    const acts = ids.slice(at, at + AT_ONCE).map((id) => act(id).then(() => 1, tooLate))
    tried += acts.length
    for (const one of await Promise.all(acts)) changed += one
  }
  return { tried, changed }
}

const TOO_LATE: ReadonlySet<string> = new Set(['already_final', 'not_replayable', 'not_found'])

function tooLate(error: unknown): 0 {
  if (isWorkerError(error) && TOO_LATE.has(error.code)) return 0
  throw error
}
