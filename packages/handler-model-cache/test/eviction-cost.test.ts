import { expect, test } from 'vitest'
import { withCosts } from '../src/eviction-cost.js'

const model = (bytes: number, loadSeconds: number, demand: number) => ({ bytes, loadSeconds, demand })

test('the absence of a model costs its share of the requests times its load time', () => {
  const { wanted, idle, absent } = withCosts({
    wanted: model(10, 4, 0.5),
    idle: [model(10, 20, 0.25)],
    absent: [model(10, 8, 0.125)],
  })
  expect([wanted, ...idle, ...absent].map(({ cost }) => cost)).toEqual([2, 5, 1])
})

test('a model that was never loaded is taken to load as fast for its size as the others', () => {
  const { wanted, idle } = withCosts({
    wanted: model(100, 0, 0.5),
    idle: [model(30, 8, 0.25)],
    absent: [model(10, 2, 0.25)],
  })
  expect(wanted).toMatchObject({ loadSeconds: 25, cost: 12.5 })
  expect(idle).toMatchObject([{ loadSeconds: 8, cost: 2 }])
})

test('where nothing was ever loaded nothing costs anything', () => {
  const { wanted, idle } = withCosts({ wanted: model(10, 0, 0.5), idle: [model(10, 0, 0.5)], absent: [] })
  expect([wanted, ...idle].map(({ cost }) => cost)).toEqual([0, 0])
})
