import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { CONTRACT_TESTS } from '../src/testing/contract-tests.js'

const contract = await readFile(new URL('../src/queue.ts', import.meta.url), 'utf8')
const marks = new Set(contract.match(/\[Q\d+(?:\.\d+)?\]/g))
const titles = Object.values(CONTRACT_TESTS).flatMap((chapter) => chapter.map(({ title }) => title))

test('every marked sentence of the queue contract has a test', () => {
  // a change of the notation must not make this test empty
  expect(marks.size).toBeGreaterThan(40)
  const untried = [...marks].filter((mark) => !titles.some((title) => title.startsWith(`${mark} `)))
  expect(untried).toEqual([])
})

test('every test of the suite starts with the mark of a sentence', () => {
  const unmarked = titles.filter((title) => !marks.has(title.slice(0, title.indexOf(' '))))
  expect(unmarked).toEqual([])
})

test('no two tests of the suite have the same title', () => {
  expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([])
})
