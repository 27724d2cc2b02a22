import { TASK_STATUSES, type ScheduleInfo, type Worker } from '@mcp-worker/runtime'
import { z } from 'zod'
import { requireScope } from './authorise.js'
import { type Route, route } from './route.js'
import { isoTime } from './task-json.js'

const time = z.iso.datetime()

export const scheduleSchema = z
  .object({
    name: z.string(),
    type: z.string(),
    payload: z.unknown(),
    cron: z.string().nullable(),
    every: z.number().nullable().describe('Seconds'),
    timezone: z.string().nullable(),
    dst: z.enum(['skip', 'shift']).nullable(),
    missed: z.enum(['none', 'latest', 'all']),
    next_at: time.nullable(),
    last_run: z
      .object({
        at: time.describe('The instant that it was for'),
        task_id: z.string(),
        status: z.enum(TASK_STATUSES).nullable().describe('Null: the task was pruned'),
      })
      .nullable(),
  })
  .meta({ id: 'Schedule' })

export function scheduleRoutes(worker: Worker): readonly Route[] {
  return [listSchedules(worker)]
}

function listSchedules(worker: Worker): Route {
  return route({
    method: 'GET',
    path: '/schedules',
    operationId: 'listSchedules',
    summary: 'The schedules of this worker, with their next and last runs',
    scope: 'read',
    answers: {
      200: { description: 'All schedules', schema: z.object({ schedules: z.array(scheduleSchema) }) },
    },
    handle: async ({ principal }) => {
      requireScope(principal, 'read')
      return { status: 200, body: { schedules: (await worker.schedules()).map(scheduleJson) } }
    },
  })
}

function scheduleJson(info: ScheduleInfo): z.output<typeof scheduleSchema> {
  const { everyMs, nextAt, last, ...rest } = info
  return {
    ...rest,
    every: everyMs === null ? null : everyMs / 1_000,
    next_at: nextAt === null ? null : isoTime(nextAt),
    last_run: last && { at: isoTime(last.at), task_id: last.taskId, status: last.status },
  }
}
