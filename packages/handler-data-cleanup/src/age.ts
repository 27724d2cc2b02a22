import { z } from 'zod'

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const AGE = /^(?:0*[1-9]\d{0,8})(s|m|h|d)$/

/** 100 years: beyond it a number is a slip. */
const MAX_AGE_MS = 36_500 * 86_400_000

export const AGE_EXPECTED = 'expected an age with its unit, like "45m", "24h" or "30d": whole, positive'

/**
 * Milliseconds of an age; null where it is not one. Stricter than the runtime's durations, since a slip here deletes files: no number without a
 * unit ("24" would be 24 milliseconds elsewhere), nothing negative or zero, no fraction, nothing around it.
 */
export function parseAge(text: string): number | null {
  const unit = AGE.exec(text)?.[1]
  if (unit === undefined) return null
  const ms = Number(text.slice(0, -1)) * (UNITS[unit] ?? Number.NaN)
  return ms <= MAX_AGE_MS ? ms : null
}

/** Stays text, so that what is stored and what OpenAPI says are what was sent. */
export const ageSchema = z
  .string({ error: AGE_EXPECTED })
  .max(12, AGE_EXPECTED)
  .refine((text) => parseAge(text) !== null, AGE_EXPECTED)

/** Of a text that passed `ageSchema`. */
export function ageMs(text: string): number {
  const ms = parseAge(text)
  if (ms === null) throw new TypeError(`${AGE_EXPECTED}; got ${JSON.stringify(text)}`)
  return ms
}

/** For people: the two largest units. */
export function sayMs(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 60) return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`
}
