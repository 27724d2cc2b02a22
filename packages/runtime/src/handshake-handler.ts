import { z } from 'zod'
import { parseDuration } from './duration.js'
import type { Fault } from './errors.js'
import { kindOf } from './kind-of.js'
import { isSchema, payloadSchemas } from './payload-versions.js'
import type { ErasedHandlerSpec, Handler, Query } from './plugin.js'

const NAME = /^[a-z][a-z0-9_.-]{0,63}$/
/** Types that the runtime has itself. */
const RESERVED: ReadonlySet<string> = new Set(['health_check'])
/** A timer of Node.js fires at once beyond it. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

type AddFault = (member: string, message: string) => void

/** Adds what is wrong with one handler by itself. */
export function checkHandler(handler: Handler, plugin: string, faults: Fault[]): void {
  const fault = under(`${plugin}.handlers.${handler.type}`, faults)
  checkName('type', handler.type, fault)
  if (RESERVED.has(handler.type)) fault('', 'this type is the runtime’s own: choose another name')
  checkRun(handler.spec, fault)
  checkPayload(handler, fault)
  checkSchema('result', handler.result, 'output', fault)
  checkLimits(handler.spec, fault)
}

/** Adds what is wrong with one query by itself. */
export function checkQuery(query: Query, plugin: string, faults: Fault[]): void {
  const fault = under(`${plugin}.queries.${query.name}`, faults)
  checkName('query', query.name, fault)
  checkRun(query.spec, fault)
  checkSchema('input', query.input, 'input', fault)
  checkSchema('output', query.output, 'output', fault)
  checkTimeout(query.spec.timeout, fault)
}

function under(root: string, faults: Fault[]): AddFault {
  return (member, message) => void faults.push({ path: member === '' ? root : `${root}.${member}`, message })
}

function checkName(what: string, name: unknown, fault: AddFault): void {
  if (typeof name === 'string' && NAME.test(name)) return
  fault('', `the name of a ${what} is a lower-case letter and up to 63 of a-z 0-9 _ . -: rename it`)
}

function checkRun(spec: object, fault: AddFault): void {
  const run: unknown = Reflect.get(spec, 'run')
  if (typeof run !== 'function') fault('run', `expected a function, got ${kindOf(run)}`)
}

// ── schemas ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function checkPayload(handler: Handler, fault: AddFault): void {
  const { payload } = handler
  if (isSchema(payload)) {
    checkSchema('payload', payload, 'input', fault)
    return
  }
  if (typeof payload !== 'object' || payload === null || Object.keys(payload).length === 0) {
    fault('payload', `expected a zod schema, or schemas by version, got ${kindOf(payload)}`)
    return
  }
  const odd = Object.keys(payload).filter((key) => !/^[1-9]\d{0,8}$/.test(key))
  if (odd.length > 0) {
    fault('payload', `versions are whole numbers from 1 on, got ${odd.join(', ')}: rename them`)
    return
  }
  const schemas = payloadSchemas(payload)
  for (const [version, schema] of schemas) checkSchema(`payload.${version}`, schema, 'input', fault)
  checkMigrations([...schemas.keys()], handler.spec.migrate ?? {}, fault)
}

function checkMigrations(
  versions: readonly number[],
  migrate: Readonly<Record<number, unknown>>,
  fault: AddFault,
): void {
  versions.forEach((version, index) => {
    const next = versions[index + 1]
    if (next === undefined) return
    if (next !== version + 1)
      fault('payload', `versions follow one another, after ${version} came ${next}: keep those between`)
    else if (typeof migrate[version] !== 'function')
      fault(`migrate.${version}`, `there is no migration from version ${version} to ${next}: add one`)
  })
  for (const key of Object.keys(migrate)) {
    const version = Number(key)
    if (!versions.includes(version) || version === versions.at(-1))
      fault(`migrate.${key}`, `there is no version ${key} to migrate from: remove it, or add its schema`)
  }
}

/** Types and OpenAPI are made from the schemas: each must describe JSON on the side that others see. */
function checkSchema(member: string, schema: unknown, io: 'input' | 'output', fault: AddFault): void {
  if (!isSchema(schema)) {
    fault(member, `expected a zod schema, got ${kindOf(schema)}`)
    return
  }
  try {
    z.toJSONSchema(schema, { io })
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : kindOf(error)
    const remedy =
      io === 'input'
        ? 'describe what JSON can carry (z.iso.datetime() for a date) and transform from there'
        : 'describe what JSON can carry, and build it in `run`'
    fault(member, `it cannot be written as JSON Schema (${why}): ${remedy}`)
  }
}

// ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function checkLimits(spec: ErasedHandlerSpec, fault: AddFault): void {
  checkTimeout(spec.timeout, fault)
  if (spec.concurrency !== undefined && !isCount(spec.concurrency))
    fault(
      'concurrency',
      `expected a whole number from 1 on, got ${shown(spec.concurrency)}: mend or remove it`,
    )
  const { maxAttempts, minDelay, maxDelay } = spec.retry ?? {}
  if (maxAttempts !== undefined && !isCount(maxAttempts))
    fault(
      'retry.maxAttempts',
      `expected a whole number from 1 on, got ${shown(maxAttempts)}: mend or remove it`,
    )
  const min = durationOf('retry.minDelay', minDelay, fault)
  const max = durationOf('retry.maxDelay', maxDelay, fault)
  if (min !== null && max !== null && min > max)
    fault('retry', `minDelay (${min} ms) is above maxDelay (${max} ms): swap or mend them`)
}

function checkTimeout(timeout: unknown, fault: AddFault): void {
  const ms = durationOf('timeout', timeout, fault)
  if (ms === null || (ms >= 1 && ms <= MAX_TIMEOUT_MS)) return
  fault('timeout', `expected between 1 ms and 24 days, got ${ms} ms: mend or remove it`)
}

/** Null: not given, or not a duration, which is then a fault already. */
function durationOf(member: string, duration: unknown, fault: AddFault): number | null {
  if (duration === undefined) return null
  try {
    return parseDuration(duration as Parameters<typeof parseDuration>[0])
  } catch (error) {
    fault(member, (error as Error).message)
    return null
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 1
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : kindOf(value)
}
