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

test('over 60 seeded choices the cost policy stays within 1.10 of the exact optimum on average, and within 1.5 at worst', () => {
  const { choice } = of('cost')
  expect(choice.mean).toBeGreaterThanOrEqual(1 - 1e-9)
  expect(choice.mean).toBeLessThanOrEqual(1.1)
  expect(choice.worst).toBeLessThanOrEqual(1.5)
})

test('judged by what will really be asked for, and over whole runs, cost beats lru, and lru the order of names', () => {
  for (const part of ['foresight', 'run'] as const) {
    expect(of('cost')[part].mean).toBeLessThan(of('lru')[part].mean)
    expect(of('lru')[part].mean).toBeLessThan(of('name')[part].mean)
  }
  expect(of('cost').foresight.mean).toBeLessThanOrEqual(1.1)
})

test('over whole runs the cost policy pays at most 1.15 of what it would with all requests known beforehand', () => {
  expect(of('cost').run.mean).toBeLessThanOrEqual(1.15)
  for (const { run } of rows) expect(run.mean).toBeGreaterThanOrEqual(1)
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
  for (const policy of ['optimum', 'cost', 'lru', 'name'])
    expect(text).toMatch(new RegExp(`^${policy} +\\d`, 'm'))
})
