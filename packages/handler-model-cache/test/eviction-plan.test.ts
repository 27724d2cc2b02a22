import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { cheapestSet } from '../src/cheapest-set.js'
import { createEvictionPlanner, type PlannedModel } from '../src/eviction-plan.js'

function model(key: string, bytes: number, loadSeconds: number, demand: number): PlannedModel {
  return { key, bytes, loadSeconds, demand, cost: demand * loadSeconds }
}

function idleModels(maxLength: number, prefix: string) {
  const fields = {
    bytes: fc.integer({ min: 1, max: 100 }),
    loadSeconds: fc.integer({ min: 0, max: 60 }),
    demand: fc.double({ min: 0.001, max: 10, noNaN: true }),
  }
  return fc
    .array(fc.record(fields), { minLength: 1, maxLength })
    .map((all) =>
      all.map(({ bytes, loadSeconds, demand }, i) => model(`${prefix}${i}`, bytes, loadSeconds, demand)),
    )
}

const sum = (some: readonly PlannedModel[]) => some.reduce((total, { bytes }) => total + bytes, 0)
const cost = (some: readonly PlannedModel[] | null) => some?.reduce((total, one) => total + one.cost, 0)
const keys = (some: readonly PlannedModel[] | null) => some?.map(({ key }) => key).toSorted()

test('it frees enough, nothing that could have stayed, and only what is idle, with any number of models', () => {
  const planner = createEvictionPlanner()
  const share = fc.double({ min: 0.01, max: 1, noNaN: true })
  fc.assert(
    fc.property(idleModels(25, 'in'), idleModels(25, 'out'), share, (idle, absent, part) => {
      const missing = Math.max(1, Math.floor(sum(idle) * part))
      const chosen = planner(idle, missing, { wanted: model('new', missing, 5, 1), absent })
      expect(chosen).not.toBeNull()
      const given = chosen ?? []
      expect(idle).toEqual(expect.arrayContaining(given))
      expect(new Set(given).size).toBe(given.length)
      expect(sum(given)).toBeGreaterThanOrEqual(missing)
      for (const { bytes } of given) expect(sum(given) - bytes).toBeLessThan(missing)
    }),
    { numRuns: 150 },
  )
})

test('what is given up never costs more than one and a half times the cheapest set that frees enough', () => {
  const share = fc.double({ min: 0.01, max: 1, noNaN: true })
  fc.assert(
    fc.property(idleModels(16, 'in'), idleModels(16, 'out'), share, (idle, absent, part) => {
      const missing = Math.max(1, Math.floor(sum(idle) * part))
      const chosen = createEvictionPlanner()(idle, missing, { wanted: model('new', missing, 5, 1), absent })
      const most = 1.5 * (cost(cheapestSet(idle, missing)) ?? Number.NaN)
      expect(cost(chosen)).toBeLessThanOrEqual(most * (1 + 1e-9))
    }),
    { numRuns: 300 },
  )
})

test('nothing is given up for nothing, and too little is no answer', () => {
  const planner = createEvictionPlanner()
  const idle = [model('a', 10, 1, 1)]
  const outlook = { wanted: model('new', 20, 1, 1), absent: [] }
  expect(planner(idle, 0, outlook)).toEqual([])
  expect(planner(idle, 11, outlook)).toBeNull()
})

test('where all else is equal the model goes that is asked for less, and the one that loads sooner', () => {
  const outlook = { wanted: model('new', 10, 5, 1), absent: [] }
  const byDemand = [model('often', 10, 5, 3), model('seldom', 10, 5, 1)]
  expect(keys(createEvictionPlanner()(byDemand, 10, outlook))).toEqual(['seldom'])
  const byTime = [model('quick', 10, 1, 1), model('slow', 10, 50, 1)]
  expect(keys(createEvictionPlanner()(byTime, 10, outlook))).toEqual(['quick'])
})

test('what will have to go soon goes now, where the cheapest set for now would give up another', () => {
  // `heavy` comes back soon and has no room beside `doomed`
  const idle = [model('doomed', 30, 10, 1), model('small', 10, 9, 1)]
  const outlook = { wanted: model('new', 10, 1, 0.1), absent: [model('heavy', 30, 30, 3)] }
  expect(keys(cheapestSet(idle, 10))).toEqual(['small'])
  expect(keys(createEvictionPlanner()(idle, 10, outlook))).toEqual(['doomed'])
  const alone = { ...outlook, absent: [] }
  expect(keys(createEvictionPlanner()(idle, 10, alone))).toEqual(['small'])
})

test('where the best plan costs too much now, it is the best of those that do not', () => {
  const wanted = model('new', 10, 1, 1)
  const outlook = { wanted, absent: [model('heavy', 20, 20, 2)] }
  const idle = [model('cheapest', 10, 11, 2), model('better', 10, 8, 3), model('dear', 40, 9, 4)]
  expect(keys(cheapestSet(idle, 10))).toEqual(['cheapest'])
  expect(keys(createEvictionPlanner()(idle, 10, outlook))).toEqual(['better'])
})

test('where nothing is known of load times it gives up as few bytes as it can', () => {
  const idle = [model('a', 50, 0, 1), model('b', 20, 0, 1), model('c', 30, 0, 1)]
  const outlook = { wanted: model('new', 20, 0, 1), absent: [] }
  expect(keys(createEvictionPlanner()(idle, 20, outlook))).toEqual(['b'])
})

test('a plan of the same models after another budget is as good as a new one', () => {
  const idle = [model('a', 30, 9, 2), model('b', 20, 4, 1), model('c', 10, 2, 3)]
  const outlook = { wanted: model('new', 20, 5, 1), absent: [model('d', 25, 7, 1)] }
  const used = createEvictionPlanner()
  used(idle, 60, outlook)
  const later = used(idle, 20, outlook)
  expect(keys(later)).toEqual(keys(createEvictionPlanner()(idle, 20, outlook)))
})
