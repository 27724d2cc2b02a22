import { expect, test } from 'vitest'
import { createKnownEnd } from '../../src/engines/ollama/known-end.js'

function openEnd() {
  const time = { now: 50_000 }
  return { time, end: createKnownEnd(() => time.now) }
}

test('a time that the server was told is over that long after the last use', () => {
  const { time, end } = openEnd()
  end.told(60_000)
  time.now += 57_000
  expect(end.isOver()).toBe(false)
  end.told(60_000)
  time.now += 57_000
  expect(end.isOver()).toBe(false)
  time.now += 3000
  expect(end.isOver()).toBe(true)
})

test('what is kept until it is unloaded, or of which nothing is known, has no end', () => {
  const { time, end } = openEnd()
  time.now += 1e12
  expect(end.isOver()).toBe(false)
  end.told(1000)
  end.told(null)
  time.now += 1e12
  expect(end.isOver()).toBe(false)
})

test('what the server says counts, which sees the uses and the times of others', () => {
  const { time, end } = openEnd()
  end.told(60_000)
  end.seen(600_000)
  time.now += 590_000
  expect(end.isOver()).toBe(false)
  end.seen(5000)
  end.seen(null)
  time.now += 5000
  expect(end.isOver()).toBe(true)
})
