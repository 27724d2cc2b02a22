import { z } from 'zod'

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const TEXT = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/
/** Above it a timer of Node.js fires at once: 2^31 − 1 ms, about 24.8 days. Longer ones are for due times only. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** What people write: a number of seconds, or `"250ms"`, `"30s"`, `"2m"`, `"24h"`, `"7d"`. Null where it is neither. */
export function durationMs(given: number | string): number | null {
  if (typeof given === 'number')
    return Number.isFinite(given) && given >= 0 ? Math.round(given * 1_000) : null
  const match = TEXT.exec(given.trim())
  if (match === null) return null
  const unit = (match[2] ?? 's') as keyof typeof UNIT_MS
  const ms = Math.round(Number(match[1]) * UNIT_MS[unit])
  return Number.isSafeInteger(ms) ? ms : null
}

/** A duration in the API and in the configuration; its output is in milliseconds. */
export function durationSchema(limits: { readonly minMs: number; readonly maxMs: number }) {
  const expected = `expected seconds or a text like "30s", "2m", "24h", from ${inWords(limits.minMs)} to ${inWords(limits.maxMs)}`
  return z
    .union([z.number(), z.string()], { error: expected })
    .transform((given, context) => {
      const ms = durationMs(given)
      if (ms !== null && ms >= limits.minMs && ms <= limits.maxMs) return ms
      context.addIssue({ code: 'custom', message: `${expected}; ${JSON.stringify(given)} was given` })
      return z.NEVER
    })
    .meta({ description: `Seconds, or a text like "30s", "2m", "24h"` })
}

function inWords(ms: number): string {
  if (ms >= UNIT_MS.d && ms % UNIT_MS.d === 0) return `${ms / UNIT_MS.d}d`
  return ms < 1_000 && ms > 0 ? `${ms}ms` : `${Math.floor(ms / 1_000)}s`
}
