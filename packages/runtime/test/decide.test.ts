import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoffCeilingMs, DEFAULT_BACKOFF } from '../src/backoff.js'
import { decideReap, decideSettlement, type Budgets, type InHand } from '../src/decide.js'
import type { Outcome } from '../src/host/host.js'
import type { Settlement } from '../src/task.js'

const NOW = 1_700_000_000_000
const FRESH: Budgets = { chargedAttempts: 0, chargedCrashes: 0, maxAttempts: 5, maxCrashes: 3 }
const error = { code: 'handler_failed', message: 'the disk is full' }

function decide(outcome: Outcome, budgets: Partial<Budgets> = {}, random = 0.5): Settlement {
  return decideSettlement(outcome, { ...FRESH, ...budgets }, DEFAULT_BACKOFF, NOW, () => random)
}

const threw: Outcome = { kind: 'threw', error, permanent: false, delayMs: null }

const stops = (reason: 'cancel' | 'shutdown' | 'lease_lost'): Outcome[] => [
  { kind: 'aborted', reason, killed: false },
  { kind: 'aborted', reason, killed: true },
  { kind: 'abandoned', reason },
]

describe('a delivery that came back', () => {
  test('a success keeps its result byte for byte', () => {
    expect(decide({ kind: 'succeeded', result: '{"a": 1}' })).toEqual({
      kind: 'succeeded',
      result: '{"a": 1}',
    })
  })

  test('a payload that does not fit is the end, and an attempt', () => {
    const expected = { kind: 'failed', reason: 'invalid_payload', error, charge: 'attempt' }
    expect(decide({ kind: 'invalid_payload', error })).toEqual(expected)
  })

  test('a permanent error is the end with attempts left', () => {
    const outcome: Outcome = { kind: 'threw', error, permanent: true, delayMs: null }
    expect(decide(outcome)).toEqual({ kind: 'failed', reason: 'non_retryable', error, charge: 'attempt' })
  })

  test.each([
    [0, 500],
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
  ])(
    'an error after %i charged attempts comes back after half of its ceiling, %i ms',
    (chargedAttempts, delay) => {
      expect(decide(threw, { chargedAttempts })).toEqual({ kind: 'retry', error, retryAt: NOW + delay })
    },
  )

  test('the last attempt ends exhausted with the error that it threw', () => {
    const expected = { kind: 'failed', reason: 'exhausted', error, charge: 'attempt' }
    expect(decide(threw, { chargedAttempts: 4 })).toEqual(expected)
    expect(decide(threw, { maxAttempts: 1 })).toEqual(expected)
  })

  test('more charged than allowed (the limit was lowered) ends too', () => {
    expect(decide(threw, { chargedAttempts: 9 })).toMatchObject({ kind: 'failed', reason: 'exhausted' })
  })

  test('a delay that the handler asks for wins over the backoff', () => {
    const outcome: Outcome = { ...threw, delayMs: 7_200_000 }
    expect(decide(outcome)).toEqual({ kind: 'retry', error, retryAt: NOW + 7_200_000 })
  })

  test('a delay of zero is a delay', () => {
    expect(decide({ ...threw, delayMs: 0 })).toMatchObject({ retryAt: NOW })
  })

  test.each([NaN, Infinity, -Infinity])('a delay of %d ms leaves it to the backoff', (delayMs) => {
    expect(decide({ ...threw, delayMs })).toMatchObject({ retryAt: NOW + 500 })
  })

  test('a negative delay means now', () => {
    expect(decide({ ...threw, delayMs: -5_000 })).toMatchObject({ retryAt: NOW })
  })

  test('a delay asked for does not save the last attempt', () => {
    expect(decide({ ...threw, delayMs: 10 }, { chargedAttempts: 4 })).toMatchObject({ reason: 'exhausted' })
  })

  test.each<Outcome>([
    { kind: 'aborted', reason: 'timeout', killed: false },
    { kind: 'aborted', reason: 'timeout', killed: true },
    { kind: 'abandoned', reason: 'timeout' },
  ])('a timeout is an attempt and is tried again: %o', (outcome) => {
    expect(decide(outcome)).toMatchObject({ kind: 'retry', error: { code: 'timed_out' }, retryAt: NOW + 500 })
    const last = decide(outcome, { chargedAttempts: 4 })
    expect(last).toMatchObject({
      kind: 'failed',
      reason: 'exhausted',
      error: { code: 'timed_out' },
      charge: 'attempt',
    })
  })

  test.each(stops('cancel'))('a cancel ends cancelled: %o', (outcome) => {
    expect(decide(outcome, { chargedAttempts: 4, chargedCrashes: 2 })).toEqual({ kind: 'cancelled' })
  })

  test.each([...stops('shutdown'), ...stops('lease_lost')])(
    'is released free, budgets or not: %o',
    (outcome) => {
      expect(decide(outcome, { chargedAttempts: 4, chargedCrashes: 2 })).toEqual({ kind: 'release' })
    },
  )

  test.each([0.4, 1e17, 1e300])(
    'times are whole milliseconds that a date can be, also for a delay of %d',
    (ms) => {
      const later: Outcome = { ...threw, delayMs: ms }
      const times = [decide(later), decide({ kind: 'snoozed', until: NOW + ms })].map((settlement) =>
        settlement.kind === 'retry'
          ? settlement.retryAt
          : settlement.kind === 'snooze'
            ? settlement.until
            : null,
      )
      const expected = Math.min(NOW + Math.round(ms), 8.64e15)
      expect(times).toEqual([expected, expected])
    },
  )

  test('a snooze waits until its time, attempts or not', () => {
    const outcome: Outcome = { kind: 'snoozed', until: NOW + 5 }
    expect(decide(outcome, { chargedAttempts: 4 })).toEqual({ kind: 'snooze', until: NOW + 5 })
  })

  test('a crash is charged until the crashes are used up', () => {
    const outcome: Outcome = { kind: 'crashed', error }
    expect(decide(outcome, { chargedCrashes: 1 })).toEqual({ kind: 'crash', error })
    const expected = { kind: 'failed', reason: 'crashed', error, charge: 'crash' }
    expect(decide(outcome, { chargedCrashes: 2 })).toEqual(expected)
  })

  test('budgets are never mixed: attempts do not end a crash, crashes do not end an attempt', () => {
    expect(decide({ kind: 'crashed', error }, { chargedAttempts: 99 })).toMatchObject({ kind: 'crash' })
    expect(decide(threw, { chargedCrashes: 99 })).toMatchObject({ kind: 'retry' })
  })

  test('a task whose handler always fails ends after exactly its attempts, within the ceilings', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.infiniteStream(unit), (maxAttempts, stream) => {
        const random = () => stream.next().value as number
        let chargedAttempts = 0
        for (;;) {
          const budgets = { ...FRESH, chargedAttempts, maxAttempts }
          const settlement = decideSettlement(threw, budgets, DEFAULT_BACKOFF, NOW, random)
          chargedAttempts++
          if (settlement.kind === 'failed') break
          if (settlement.kind !== 'retry') throw new Error(`expected a retry, got ${settlement.kind}`)
          expect(settlement.retryAt).toBeGreaterThanOrEqual(NOW)
          const ceiling = backoffCeilingMs(chargedAttempts, DEFAULT_BACKOFF)
          expect(settlement.retryAt).toBeLessThanOrEqual(NOW + ceiling)
        }
        expect(chargedAttempts).toBe(maxAttempts)
      }),
    )
  })
})

const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('deliveries whose worker died', () => {
  const fresh: InHand = { chargedCrashes: 0, maxCrashes: 3, cancelRequested: false }
  const died = { aloneInOwner: false, machineRestarted: false }

  test('one that was alone is charged, queued again, and stays a suspect', () => {
    const [reap] = decideReap({ ...died, rows: [fresh], aloneInOwner: true })
    expect(reap).toMatchObject({
      settlement: { kind: 'crash', error: { code: 'worker_crashed' } },
      suspect: true,
    })
  })

  test('one that was alone with its last crash is failed', () => {
    const [reap] = decideReap({ ...died, rows: [{ ...fresh, chargedCrashes: 2 }], aloneInOwner: true })
    expect(reap?.settlement).toMatchObject({ kind: 'failed', reason: 'crashed', charge: 'crash' })
    expect(reap?.settlement).toMatchObject({ error: { code: 'worker_crashed' } })
    expect(reap?.suspect).toBe(false)
  })

  test('of several none is charged and all are suspects', () => {
    const reaps = decideReap({ ...died, rows: [fresh, { ...fresh, chargedCrashes: 2 }, fresh] })
    expect(reaps).toEqual(
      Array.from({ length: 3 }, () => ({ settlement: { kind: 'release' }, suspect: true })),
    )
  })

  test('a restarted machine suspects and charges nobody', () => {
    const reaps = decideReap({
      rows: [{ ...fresh, chargedCrashes: 2 }],
      aloneInOwner: true,
      machineRestarted: true,
    })
    expect(reaps).toEqual([{ settlement: { kind: 'release' }, suspect: false }])
  })

  test.each([true, false])('a requested cancel ends the task, machine restarted: %s', (machineRestarted) => {
    const rows = [{ ...fresh, cancelRequested: true, chargedCrashes: 2 }, fresh]
    const [cancelled, other] = decideReap({ rows, aloneInOwner: false, machineRestarted })
    expect(cancelled).toEqual({ settlement: { kind: 'cancelled' }, suspect: false })
    expect(other).toEqual({ settlement: { kind: 'release' }, suspect: !machineRestarted })
  })

  test('a poison task that always runs alone ends after exactly its crashes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (maxCrashes) => {
        let chargedCrashes = 0
        for (;;) {
          const rows = [{ ...fresh, chargedCrashes, maxCrashes }]
          const [reap] = decideReap({ ...died, rows, aloneInOwner: true })
          chargedCrashes++
          if (reap?.settlement.kind === 'failed') break
          expect(reap?.settlement.kind).toBe('crash')
        }
        expect(chargedCrashes).toBe(maxCrashes)
      }),
    )
  })

  test('no rows, no decisions', () => {
    expect(decideReap({ ...died, rows: [] })).toEqual([])
  })
})
