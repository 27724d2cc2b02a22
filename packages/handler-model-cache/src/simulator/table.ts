import { EVICTION_POLICIES, type EvictionPolicy } from '../eviction-policy.js'
import { makeCase } from './case.js'
import { bestDecision, decide, makeDecision, seenCost, trueCost, type Judge } from './decision.js'
import { exactOptimum } from './optimum.js'
import { playPolicy } from './play.js'

/** As a multiple of the exact optimum. */
export interface Ratio {
  /** The geometric mean over all cases. */
  readonly mean: number
  readonly worst: number
  readonly worstSeed: number
  /** Cases beyond 1.5. */
  readonly above: number
}

export interface PolicyRow {
  readonly policy: EvictionPolicy
  /** One choice, judged by the shares that the cache has learnt: against every set that would free enough. */
  readonly choice: Ratio
  /** The same choice, judged by how often the models will really be asked for, against the set that is cheapest by that. */
  readonly foresight: Ratio
  /** Seconds of loading over 400 requests, against who knows all of them beforehand. */
  readonly run: Ratio
}

/** So many seeds with every policy. */
export function simulate(cases: number, from = 1): readonly PolicyRow[] {
  const seeds = Array.from({ length: cases }, (_, i) => from + i)
  const decisions = seeds.map(makeDecision)
  const runs = seeds.map(makeCase)
  const optima = runs.map(exactOptimum)
  return EVICTION_POLICIES.map((policy) => {
    const judged = (judge: Judge) =>
      ratioOf(
        decisions.map((one) => decide(policy, one, judge) / bestDecision(one, judge)),
        from,
      )
    return {
      policy,
      choice: judged(seenCost),
      foresight: judged(trueCost),
      run: ratioOf(
        runs.map((one, i) => playPolicy(policy, one) / (optima[i] ?? Number.NaN)),
        from,
      ),
    }
  })
}

const BAR = 1.5

function ratioOf(ratios: readonly number[], from: number): Ratio {
  const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
  const worst = Math.max(...ratios)
  const above = ratios.filter((ratio) => ratio > BAR).length
  return { mean, worst, worstSeed: from + ratios.indexOf(worst), above }
}

export function formatTable(rows: readonly PolicyRow[], cases: number, from = 1): string {
  const lines = [
    ['', 'one choice', '', '', 'with foresight', '', '', 'whole run', '', ''],
    ['policy', ...Array.from({ length: 3 }, () => ['mean', 'worst', `> ${BAR}`]).flat()],
    ['optimum', ...Array.from({ length: 3 }, () => ['1.000', '1.000', '0']).flat()],
    ...rows.map((row) => [row.policy, ...cells(row.choice), ...cells(row.foresight), ...cells(row.run)]),
  ]
  const body = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(8) : cell.padStart(i % 3 === 1 ? 15 : 9))).join(''),
  )
  return `Multiples of the exact optimum, seeds ${from} to ${from + cases - 1}.\n\n${body.join('\n')}\n`
}

function cells({ mean, worst, above }: Ratio): string[] {
  return [mean.toFixed(3), worst.toFixed(3), String(above)]
}
