import type { Duration } from './plugin.js'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/

/**
 * Milliseconds of a duration: a number of milliseconds, or `"250ms"`, `"30s"`, `"1.5h"`, `"7d"`. Never negative.
 * Throws a `TypeError` that says what came: a number as text without its unit is ambiguous, hence refused.
 */
export function parseDuration(duration: Duration): number {
  const given: unknown = duration
  if (typeof given === 'number' && Number.isFinite(given) && given >= 0) return given
  const match = typeof given === 'string' ? DURATION.exec(given) : null
  const ms = match ? Number(match[1]) * (UNITS[match[2] ?? ''] ?? Number.NaN) : Number.NaN
  if (Number.isSafeInteger(Math.round(ms))) return ms
  throw new TypeError(
    `expected a duration (milliseconds as a number, or text like "250ms", "30s", "2m", "24h", "7d"), got ${shown(given)}`,
  )
}

function shown(given: unknown): string {
  if (typeof given === 'string') return JSON.stringify(given.slice(0, 40))
  if (typeof given === 'number') return String(given)
  return given === null ? 'null' : typeof given
}
