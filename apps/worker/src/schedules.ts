import { scheduleFaults } from '@mcp-worker/runtime'
import { z } from 'zod'
import { durationSchema } from './durations.js'

const DAY_MS = 86_400_000

const scheduleSchema = z
  .strictObject({
    name: z.string().describe('Part of the ids of its tasks'),
    type: z.string(),
    payload: z.unknown(),
    cron: z.string().optional().describe('Five fields, or six with seconds first'),
    every: durationSchema({ minMs: 1_000, maxMs: 366 * DAY_MS })
      .optional()
      .describe('At the multiples of it since 1970-01-01T00:00Z'),
    timezone: z.string().optional().describe('Of cron; default UTC'),
    missed: z.enum(['none', 'latest', 'all'], { error: 'expected none, latest or all' }).default('latest'),
    dst: z.enum(['skip', 'shift'], { error: 'expected skip or shift' }).optional(),
    version: z.int().optional(),
    priority: z.int().min(-100).max(100).optional(),
    maxAttempts: z.int().min(1).max(1_000).optional(),
    timeout: durationSchema({ minMs: 1, maxMs: 365 * DAY_MS }).optional(),
  })
  .superRefine((schedule, context) => {
    for (const { path, message } of scheduleFaults(schedule))
      context.addIssue({ code: 'custom', message, path: path === '' ? [] : [path] })
  })

/** `schedules` of the configuration file; whether the payloads fit their types is seen when the worker starts. */
export const schedulesSchema = z
  .array(scheduleSchema)
  .superRefine((schedules, context) => {
    schedules.forEach(({ name }, index) => {
      if (schedules.findIndex((one) => one.name === name) === index) return
      const message = `${name} is the name of another schedule`
      context.addIssue({ code: 'custom', message, path: [index, 'name'] })
    })
  })
  .default([])
  .describe('Tasks that are submitted at their times, once however many workers run')
