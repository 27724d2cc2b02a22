import { expect, test } from 'vitest'
import { createModelBook } from '../src/model-book.js'
import { createLedger } from '../src/ledger.js'
import { move, type ModelEntry } from '../src/model-entry.js'
import { openCache } from './cache-harness.js'

const wishFor = (modelId: string) => openCache({}).wishFor(modelId)
const ledger = createLedger<ModelEntry>('process', null)
const made = { ledger, keepAliveMs: null, now: 0 }

test('of more than 1,000 models the one longest absent is forgotten, never one that is in memory', () => {
  const book = createModelBook()
  const wish = wishFor('first')
  const held = book.entryOf(wish, made)
  move(held, 'queued', 0)
  for (let i = 0; i < 1500; i += 1)
    book.entryOf({ ...wish, model: { ...wish.model, modelId: `m${i}` } }, made)
  expect([...book.entries()]).toHaveLength(1000)
  expect(book.find(wish.engine, wish.model)).toBe(held)
  expect(book.find(wish.engine, { modelId: 'm0', revision: null })).toBeNull()
  expect(book.find(wish.engine, { modelId: 'm1499', revision: null })).not.toBeNull()
})

test('loads that failed are remembered for their backoff, and no longer than there is room', () => {
  const book = createModelBook()
  const wish = wishFor('first')
  for (let i = 0; i < 1500; i += 1) {
    const entry = book.entryOf({ ...wish, model: { ...wish.model, modelId: `m${i}` } }, made)
    move(entry, 'queued', 0)
    move(entry, 'failed', 0)
  }
  expect([...book.entries()]).toHaveLength(1000)
})
