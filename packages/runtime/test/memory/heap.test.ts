import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createHeap } from '../../src/memory/heap.js'

test('gives items in order, whatever was added and taken out of the middle', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 50 }) }),
    fc.record({ removeAt: fc.nat(100) }),
    fc.constant('pop' as const),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = createHeap<{ value: number }>((a, b) => a.value < b.value)
      let model: { value: number }[] = []
      const popped: [got: number | undefined, expected: number | undefined][] = []
      for (const next of steps) {
        if (next === 'pop') {
          const least = heap.peek()
          popped.push([least?.value, model.map(({ value }) => value).toSorted((a, b) => a - b)[0]])
          if (least) heap.remove(least)
          model = model.filter((item) => item !== least)
        } else if ('add' in next) {
          const item = { value: next.add }
          heap.add(item)
          model.push(item)
        } else if (model.length > 0) {
          const item = model[next.removeAt % model.length]!
          heap.remove(item)
          model = model.filter((other) => other !== item)
        }
        expect(heap.size).toBe(model.length)
      }
      for (const [got, expected] of popped) expect(got).toBe(expected)
      const left: number[] = []
      for (let item = heap.peek(); item; item = heap.peek()) {
        left.push(item.value)
        heap.remove(item)
      }
      expect(left).toEqual(model.map(({ value }) => value).toSorted((a, b) => a - b))
    }),
  )
})

test('taking out what is not in it changes nothing', () => {
  const heap = createHeap<{ value: number }>((a, b) => a.value < b.value)
  const item = { value: 1 }
  heap.add(item)
  heap.remove({ value: 1 })
  expect(heap.size).toBe(1)
  expect(heap.peek()).toBe(item)
})
