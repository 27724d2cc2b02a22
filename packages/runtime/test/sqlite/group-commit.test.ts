import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'
import { createClock } from '../../src/clock.js'
import { DEFAULT_LIMITS } from '../../src/queue.js'
import type { ClaimedRows } from '../../src/sqlite/claimed-row.js'
import { type Batch, createGroupCommit } from '../../src/sqlite/group-commit.js'
import type { Answer } from '../../src/sqlite/messages.js'
import { createOutbox } from '../../src/sqlite/outbox.js'
import { createDrainRate } from '../../src/sqlite/room.js'
import { openStore } from '../../src/sqlite/store.js'
import { createTransactions } from '../../src/sqlite/transact.js'
import { createUpkeep } from '../../src/sqlite/upkeep.js'
import { createWaitingClaims } from '../../src/sqlite/waiting-claims.js'
import type { NewTask } from '../../src/task.js'

/** A file of its own, the group commit on it, and how to fill it up. */
function opened() {
  const directory = mkdtempSync(join(tmpdir(), 'mcp-worker-commit-'))
  const clock = createClock()
  const path = join(directory, 'tasks.db')
  const limits = DEFAULT_LIMITS
  const store = openStore({ path, durability: 'process', limits, owner: 'one', reserveBytes: 0 }, clock)
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => {
    for (const port of [port1, port2]) port.close()
    store.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const { transact } = createTransactions(store, () => {})
  const upkeep = createUpkeep(store, transact, clock, () => {})
  const waiting = createWaitingClaims(clock)
  const around = { store, transact, upkeep, waiting, outbox: createOutbox(port1) }
  const commit = createGroupCommit({ ...around, drain: createDrainRate(clock), hasRoom: () => true })
  const write = (batch: Partial<Batch>) => {
    const answers: Answer[] = []
    commit({ writes: [], claims: [], ...batch }, answers)
    return answers
  }
  const full = () => {
    const pages = Number(store.db.prepare('PRAGMA page_count').get()?.['page_count'])
    store.db.exec(`PRAGMA max_page_count = ${pages}`)
  }
  return { write, full }
}

function submit(ref: number, id: string, payload = '{}') {
  const whenever = { priority: 0, runAt: 0, maxAttempts: 5, timeoutMs: null, expiresAt: null }
  const task: NewTask = { id, type: 'alpha', version: 1, payload, ...whenever, idempotency: null }
  return { op: 'submit', ref, tasks: [task] } as const
}

const request = { wants: [{ type: 'alpha', versions: [1], free: 1 }], max: 1 }
const LARGE = JSON.stringify('x'.repeat(1024 * 1024 - 2))

it('on a full disk refuses the submits of a batch, and finishes what was accepted', () => {
  const { write, full } = opened()
  write({ writes: [submit(1, 'accepted')] })
  const [claimed] = write({ claims: [{ op: 'claim', ref: 2, request }] })
  const claimedRows = claimed?.value as ClaimedRows | undefined
  const fence = claimedRows?.rows[0]?.fence ?? ''
  full()
  const settlement = { kind: 'succeeded', result: 'null' } as const
  const answers = write({ writes: [submit(3, 'large', LARGE), { op: 'settle', ref: 4, fence, settlement }] })
  expect(answers.map(({ ref }) => ref)).toEqual([3, 4])
  expect(answers[0]?.error).toMatchObject({ code: 'storage_full' })
  expect(answers[1]).toMatchObject({ ref: 4, value: 'settled' })
})
