// oxlint-disable vitest/no-standalone-expect -- commands are played inside a test
import * as fc from 'fast-check'
import { expect } from 'vitest'
import type { ClaimRequest } from '../../queue.js'
import type { Settlement } from '../../task.js'
import { ERROR, HOUR } from '../scene.js'
import {
  acceptInModel,
  cancelInModel,
  crashInModel,
  isModelFinal,
  passTimeInModel,
  replayInModel,
  settleInModel,
  type Model,
  type ModelTask,
} from './model.js'
import { checkClaim } from './check-claim.js'
import { agree, agreeSoon } from './compare.js'
import type { Real } from './real.js'

type Command = fc.AsyncCommand<Model, Real>

/** Every moment that a task waits for is an odd multiple of this away from the start, every step of the clock an even one: never a tie. */
const GRAIN = HOUR / 4

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real)
      await agree(model, real)
    },
    toString: () => name,
  }
}

function pick<T>(items: readonly T[], at: number): T {
  return items[at % items.length]!
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`
const show = (value: unknown) => JSON.stringify(value)
const owner = fc.nat(1)
const index = fc.nat(1_000)
const type = fc.constantFrom('alpha', 'beta')
const dueIn = fc.constantFrom(1, 3, 5).map((odd) => odd * GRAIN)

const newTask = fc.record({
  type,
  version: fc.constantFrom(1, 2),
  priority: fc.constantFrom(0, 0, 0, -100, -1, 1, 100),
  delayMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: dueIn }),
  expiresInMs: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: dueIn }),
})

const submit = fc.tuple(owner, fc.array(newTask, { minLength: 1, maxLength: 4 })).map(([by, fields]) =>
  command(`submit(${by}, ${show(fields)})`, async (model, real) => {
    const from = real.clock.wall()
    const given = fields.map(({ delayMs, expiresInMs, ...rest }) => ({
      id: real.nextId(),
      payload: '{"a":1}',
      maxAttempts: 5,
      timeoutMs: null,
      idempotency: null,
      ...rest,
      runAt: delayMs === 0 ? from : real.moment(delayMs),
      expiresAt: expiresInMs === null ? null : real.moment(expiresInMs),
    }))
    const answers = await real.driver(by).submit(given)
    expect(answers.map(({ kind }) => kind)).toEqual(given.map(() => 'accepted'))
    const at = { from, to: real.clock.wall() }
    for (const task of given) acceptInModel(model, task, at)
  }),
)

const request: fc.Arbitrary<ClaimRequest> = fc.record({
  wants: fc.uniqueArray(
    fc.record({ type, versions: fc.constantFrom([1], [2], [1, 2]), free: fc.constantFrom(0, 1, 2, 10) }),
    { selector: (want) => want.type, maxLength: 2 },
  ),
  max: fc.constantFrom(1, 2, 3, 10),
})

const claim = fc.tuple(owner, request).map(([by, asked]) =>
  command(`claim(${by}, ${show(asked)})`, async (model, real) => {
    checkClaim(model, by, asked, await real.driver(by).claim(asked))
  }),
)

const claimAlone = fc.tuple(owner, request).map(([by, asked]): Command => ({
  ...command(`claimAlone(${by}, ${show(asked)})`, async (model, real) => {
    const alone = { ...asked, alone: true }
    checkClaim(model, by, alone, await real.driver(by).claim(alone))
  }),
  check: (model) => !model.tasks.some(({ holder }) => holder?.owner === by),
}))

const settlementOf: fc.Arbitrary<(real: Real) => Settlement> = fc.oneof(
  fc.constant((): Settlement => ({ kind: 'succeeded', result: '{"r":1}' })),
  dueIn.map((ms) => (real: Real): Settlement => ({ kind: 'retry', error: ERROR, retryAt: real.moment(ms) })),
  dueIn.map((ms) => (real: Real): Settlement => ({ kind: 'snooze', until: real.moment(ms) })),
  fc.constant((): Settlement => ({ kind: 'failed', reason: 'exhausted', error: ERROR, charge: 'attempt' })),
  fc.constant((): Settlement => ({ kind: 'failed', reason: 'crashed', error: ERROR, charge: 'crash' })),
  fc.constant((): Settlement => ({ kind: 'crash', error: ERROR })),
  fc.constant((): Settlement => ({ kind: 'release' })),
  fc.constant((): Settlement => ({ kind: 'cancelled' })),
)

const running = (model: Model): ModelTask[] => model.tasks.filter(({ holder }) => holder !== null)

const settle = fc.tuple(index, settlementOf).map(([at, make]): Command => ({
  ...command(`settle(${at})`, async (model, real) => {
    const task = pick(running(model), at)
    const settlement = make(real)
    real.note(`settle(${task.given.id}, ${settlement.kind})`)
    const driver = real.driver(task.holder!.owner)
    expect(await driver.settle(task.holder!.fence, settlement)).toBe('settled')
    settleInModel(task, settlement, settlement.kind === 'crash' && task.suspect)
  }),
  check: (model) => running(model).length > 0,
}))

/** Whoever comes too late: no owner and no settlement may change anything with a fence of the past. */
const settleStale = fc.tuple(owner, index, settlementOf).map(([by, at, make]): Command => ({
  ...command(`settleStale(${by}, ${at})`, async (model, real) => {
    const fence = pick(staleFences(model), at)
    expect(await real.driver(by).settle(fence, make(real))).toBe('stale')
    expect(await real.driver(by).renew([fence])).toEqual(['stale'])
    expect(await real.driver(by).record(fence, { checkpoint: '"stale"' })).toBe('stale')
  }),
  check: (model) => staleFences(model).length > 0,
}))

function staleFences(model: Model): string[] {
  const current = new Set(running(model).map(({ holder }) => holder!.fence))
  return [...model.fences].filter((fence) => !current.has(fence))
}

const checkpoint = fc
  .tuple(index, fc.constantFrom('"one"', '{"two":2}', null))
  .map(([at, value]): Command => ({
    ...command(`checkpoint(${at}, ${value})`, async (model, real) => {
      const task = pick(running(model), at)
      const driver = real.driver(task.holder!.owner)
      expect(await driver.record(task.holder!.fence, { checkpoint: value })).toBe('recorded')
      task.checkpoint = value
    }),
    check: (model) => running(model).length > 0,
  }))

const cancel = fc.tuple(owner, index).map(([by, at]): Command => ({
  ...command(`cancel(${by}, ${at})`, async (model, real) => {
    const task = pick(model.tasks, at)
    expect(await real.driver(by).requestCancel(task.given.id)).toBe(cancelInModel(task))
  }),
  check: (model) => model.tasks.length > 0,
}))

const replay = fc.tuple(owner, index).map(([by, at]): Command => ({
  ...command(`replay(${by}, ${at})`, async (model, real) => {
    // mostly of what has ended: the others are tried by the fallback
    const final = model.tasks.filter(isModelFinal)
    const task = pick(final.length > 0 ? final : model.tasks, at)
    const from = real.clock.wall()
    const answer = await real.driver(by).replay(task.given.id)
    expect(answer).toBe(replayInModel(task, { from, to: real.clock.wall() }))
  }),
  check: (model) => model.tasks.length > 0,
}))

const pause = fc.tuple(owner, type, fc.boolean()).map(([by, name, on]) =>
  command(`${on ? 'pause' : 'resume'}(${by}, ${name})`, async (model, real) => {
    if (on) await real.driver(by).pause(name)
    else await real.driver(by).resume(name)
    if (on) model.paused.add(name)
    else model.paused.delete(name)
    await agreeSoon(model, real)
  }),
)

const stepWall = fc.constantFrom(2, 4, 8, -2).map((even) =>
  command(`stepWall(${seconds(even * GRAIN)})`, async (model, real) => {
    real.stepWall(even * GRAIN)
    passTimeInModel(model, real.clock.wall())
    await agreeSoon(model, real)
  }),
)

const crash = owner.map((by) =>
  command(`crash(${by})`, async (model, real) => {
    await real.crash(by, running(model))
    crashInModel(model, by, real.maxCrashes)
    await agreeSoon(model, real)
  }),
)

/** A life of a queue: what two owners, their users and the clocks do, in any order. */
export function lives(): fc.Arbitrary<Iterable<Command>> {
  const kinds = [
    submit,
    claim,
    claim,
    claimAlone,
    settle,
    settle,
    settleStale,
    checkpoint,
    cancel,
    replay,
    pause,
  ]
  return fc.commands([...kinds, stepWall, crash], { size: 'large', maxCommands: 60 })
}
