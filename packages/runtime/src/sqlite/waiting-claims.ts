import type { Clock } from '../clock.js'
import type { ClaimRequest } from '../queue.js'
import { type ClaimedRows, NOTHING_CLAIMED } from './claimed-row.js'
import type { Answer, Op } from './messages.js'

export type ClaimOp = Extract<Op, { op: 'claim' }>

interface WaitingClaim {
  readonly ref: number
  readonly request: ClaimRequest
  readonly until: number
}

/** The claims of this owner that wait for work, in the order in which they came. */
export function createWaitingClaims(clock: Clock) {
  let waiting: readonly WaitingClaim[] = []

  function answerAll(answers: Answer[], answer: Omit<Answer, 'ref'>): void {
    for (const { ref } of waiting) answers.push({ ref, ...answer })
    waiting = []
  }

  return {
    any: () => waiting.length > 0,
    requests: () => waiting.map(({ request }) => request),
    anyLate: () => waiting.some(({ until }) => clock.monotonic() >= until),
    answerAll,

    /** Keeps those of the ops that wait and answers the others' refs: they are served by this transaction. One for nothing calls all back. */
    note(ops: readonly Op[], answers: Answer[]): ClaimOp[] {
      const atOnce: ClaimOp[] = []
      for (const op of ops) {
        if (op.op !== 'claim') continue
        const { waitMs = 0, max } = op.request
        if (max === 0) answerAll(answers, { value: NOTHING_CLAIMED })
        if (waitMs === 0 || max === 0) atOnce.push(op)
        else waiting = [...waiting, { ref: op.ref, request: op.request, until: clock.monotonic() + waitMs }]
      }
      return atOnce
    },

    /** Answers those that were given something, or whose time is up; `given` is in the order of `requests`. */
    give(given: readonly ClaimedRows[], answers: Answer[]): void {
      const now = clock.monotonic()
      waiting = waiting.filter(({ ref, until }, index) => {
        const claimed = given[index] ?? NOTHING_CLAIMED
        const answered = claimed.rows.length > 0 || claimed.suspects > 0 || now >= until
        if (answered) answers.push({ ref, value: claimed })
        return !answered
      })
    },
  }
}

export type WaitingClaims = ReturnType<typeof createWaitingClaims>
