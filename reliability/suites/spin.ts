/** One bad task does not stop the others: in threads the canaries keep their rate; inline the watchdog ends the process and its neighbours lose nothing. */
import { tryCase, type Suite } from '../suite.ts'
import { blockInline } from './spin-inline.ts'
import { misbehave, MISDEEDS } from './spin-thread.ts'

export const spin: Suite = async ({ size, lab, note }) => {
  const times = size === 'ci' ? 1 : 10
  const figures: Record<string, unknown>[] = []
  const trials = Array.from({ length: times }, () => [
    ...MISDEEDS.map((misdeed) => ({
      name: `${misdeed.type} in a thread`,
      trial: () => misbehave(lab, misdeed, figures),
    })),
    {
      name: 'a loop inline, its neighbours begun before it',
      trial: () => blockInline(lab, { before: 2, beside: 0, leaseMs: 900 }, figures),
    },
    {
      name: 'a loop inline, one neighbour claimed with it',
      trial: () => blockInline(lab, { before: 0, beside: 1, leaseMs: 30_000 }, figures),
    },
    {
      name: 'a loop inline, neighbours before and beside it',
      trial: () => blockInline(lab, { before: 1, beside: 2, leaseMs: 900 }, figures),
    },
  ]).flat()
  const cases = []
  for (const { name, trial } of trials) {
    const tried = await tryCase(name, trial)
    note(`spin, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
    cases.push(tried)
  }
  return {
    counts: {
      tried: cases.length,
      figures: size === 'ci' ? figures : figures.slice(0, trials.length / times),
    },
    cases,
  }
}
