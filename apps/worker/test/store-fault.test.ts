import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { call, startService } from './running-service.js'

interface Held {
  /** Every page but the first is damaged, and the service must read them again, for somebody else has written. */
  readonly letGoDamaged: () => void
}

/** A queue file whose writers wait for us. */
function hold(path: string): Held {
  const db = new DatabaseSync(path, { timeout: 5_000 })
  onTestFinished(() => db.close())
  db.exec('PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE; CREATE TABLE touched (x)')
  return {
    letGoDamaged: () => {
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.fill(0xff, 4_096))
      db.exec('COMMIT')
    },
  }
}

it('a submit that met a damaged queue file gets 503 with the ids to send it again with, and the process ends with 74', async () => {
  const service = await startService()
  const task = { type: 'greet', payload: {} }
  expect((await service.call('POST', '/tasks', { ...task, id: 'before', delay: '1h' })).status).toBe(202)
  const file = hold(join(service.folder, 'data', 'queue.db'))
  const submits = Promise.all([
    service.call('POST', '/tasks', { ...task, id: 'one' }),
    service.call('POST', '/tasks/batch', {
      tasks: [
        { ...task, id: 'two' },
        { ...task, id: 'three' },
      ],
    }),
  ])
  // requests sent later and answered: both submits have reached the queue, which waits for the file
  for (let i = 0; i < 5; i++) await call(`${service.metricsUrl}/livez`, 'GET')
  file.letGoDamaged()
  const [one, batch] = await submits
  expect(one).toMatchObject({ status: 503, body: { code: 'store_failed', id: 'one' } })
  expect(batch).toMatchObject({ status: 503, body: { code: 'store_failed', ids: ['two', 'three'] } })
  expect(one.headers.get('retry-after')).toBe('1')
  expect(await service.ended).toBe(74)
})
