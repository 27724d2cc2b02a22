import { parseDuration, type Duration } from '@mcp-worker/runtime'
import { z } from 'zod'

const DURATION = /^\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d)$/
/** Days in a hundred years: more than anybody waits, and less than what cannot be counted in milliseconds. */
const MOST_DAYS = 36_525

/** Text with a unit, answered in milliseconds. */
export const duration = z
  .string()
  .regex(DURATION, { error: 'expected a duration with its unit, like "30s", "10m", "24h"', abort: true })
  .refine((text) => !text.endsWith('d') || Number.parseFloat(text) <= MOST_DAYS, 'expected 100 years at most')
  .transform((text) => parseDuration(text as Duration))

/** A duration, 0 (unload when nobody uses it) or -1 (never for idleness): answered in milliseconds, null for never. */
export const keepAlive = z
  .union([duration, z.literal(0), z.literal(-1)], { error: 'expected a duration like "10m", 0 or -1' })
  .transform((value) => (value === -1 ? null : value))
