import { expect, test } from 'vitest'
import { makeCase } from '../../src/simulator/case.js'
import { exactOptimum } from '../../src/simulator/optimum.js'
import { playPolicy } from '../../src/simulator/play.js'
import { formatTable, simulate } from '../../src/simulator/table.js'

const rows = simulate(60)
const of = (policy: string) => {
  const row = rows.find((one) => one.policy === policy)
  if (row === undefined) throw new Error(`no row for ${policy}`)
  return row
}

test.each(['plan', 'cost'])(
  'over 60 seeded choices the set of %s is within 1.10 of the exact optimum on average and 1.5 at worst, by the shares that were learnt and by the true ones',
  (policy) => {
    for (const ratio of [of(policy).choice, of(policy).foresight]) {
      expect(ratio.mean).toBeGreaterThanOrEqual(1 - 1e-9)
      expect(ratio.mean).toBeLessThanOrEqual(1.1)
      expect(ratio.worst).toBeLessThanOrEqual(1.5)
    }
  },
)

test('cost chooses the cheapest set of all', () => {
  expect(of('cost').choice.worst).toBeLessThanOrEqual(1 + 1e-9)
})

test('over whole runs plan beats cost, cost lru, and lru the order of names', () => {
  const means = ['plan', 'cost', 'lru', 'name'].map((policy) => of(policy).run.mean)
  expect(means).toEqual(means.toSorted((a, b) => a - b))
  expect(new Set(means).size).toBe(4)
})

test('over whole runs plan pays at most 1.10 of what it would with all requests known beforehand, on average', () => {
  expect(of('plan').run.mean).toBeLessThanOrEqual(1.1)
  for (const { run } of rows) expect(run.mean).toBeGreaterThanOrEqual(1)
})

// The design's bar for the worst is 1.5. Who knows all rates, and when they change, comes to 1.38 on these seeds, and goes beyond 1.5 on 21 of
// 1,200 others: docs/decisions/model-cache.md
test('over whole runs plan pays more than 1.5 of it in one of 60 cases, and there at most 1.75', () => {
  const ratios = Array.from({ length: 60 }, (_, i) => {
    const run = makeCase(i + 1)
    return playPolicy('plan', run) / exactOptimum(run)
  })
  expect(ratios.filter((ratio) => ratio > 1.5).length).toBeLessThanOrEqual(1)
  expect(of('plan').run.worst).toBe(Math.max(...ratios))
  expect(of('plan').run.worst).toBeLessThanOrEqual(1.75)
})

test('the same seed is the same case', () => {
  expect(makeCase(7)).toEqual(makeCase(7))
  expect(makeCase(7)).not.toEqual(makeCase(8))
})

test('the optimum of a case that can be told by hand', () => {
  const models = [
    { modelId: 'a', bytes: 2, loadSeconds: 10 },
    { modelId: 'b', bytes: 1, loadSeconds: 1 },
    { modelId: 'c', bytes: 1, loadSeconds: 1 },
  ]
  const requests = [0, 1, 2, 0, 1, 2, 0].map((model, at) => ({ at, model }))
  const one = { seed: 0, models, budget: 3, requests }
  // a stays; b and c take turns in the room that is left
  expect(exactOptimum(one)).toBe(14)
  expect(playPolicy('lru', one)).toBeGreaterThan(14)
})

test('the table has a line for the optimum and each policy', () => {
  const text = formatTable(rows, 60)
  for (const policy of ['optimum', 'plan', 'cost', 'lru', 'name'])
    expect(text).toMatch(new RegExp(`^${policy} +\\d`, 'm'))
})
