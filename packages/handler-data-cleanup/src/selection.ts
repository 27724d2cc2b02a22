import { AGE_EXPECTED, ageMs, sayMs } from './age.js'
import { fault } from './fault.js'
import type { Target } from './options.js'

/** A target by its name. Throws `UNKNOWN_TARGET`, listing those that there are. */
export function findTarget(name: string, targets: Readonly<Record<string, Target>>): Target {
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined
  if (target !== undefined) return target
  const known = Object.keys(targets).join(', ') || 'none'
  throw fault('UNKNOWN_TARGET', `expected a configured target (${known}), got ${name}`)
}

interface Ages {
  readonly olderThan?: string | undefined
  readonly minAge: string
}

/** What the payload says, else the target; never below the floor. Milliseconds. */
export function decideAgeMs(name: string, target: Ages, asked: string | undefined): number {
  const text = asked ?? target.olderThan
  if (text === undefined)
    throw fault('OLDER_THAN_REQUIRED', `target ${name} has no age of its own: ${AGE_EXPECTED}`)
  const ms = ageMs(text)
  const floor = ageMs(target.minAge)
  if (ms >= floor) return ms
  throw fault(
    'OLDER_THAN_BELOW_FLOOR',
    `target ${name} takes nothing younger than ${sayMs(floor)} (${target.minAge}), got ${text}`,
  )
}
