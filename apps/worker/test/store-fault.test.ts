import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { startService } from './running-service.js'

/** Every page but the first, beneath a service that must read them again, for somebody else has written. */
function damage(database: string): void {
  const db = new DatabaseSync(database, { timeout: 5_000 })
  db.exec('CREATE TABLE touched (x); DROP TABLE touched; PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
  const bytes = readFileSync(database)
  writeFileSync(database, bytes.fill(0xff, 4_096))
}

it('a submit that met a damaged queue file gets 503 with the ids to send it again with, and the process ends with 74', async () => {
  const service = await startService()
  const task = { type: 'greet', payload: {} }
  expect((await service.call('POST', '/tasks', { ...task, id: 'before', delay: '1h' })).status).toBe(202)
  damage(join(service.folder, 'data', 'queue.db'))
  const [one, batch] = await Promise.all([
    service.call('POST', '/tasks', { ...task, id: 'one' }),
    service.call('POST', '/tasks/batch', {
      tasks: [
        { ...task, id: 'two' },
        { ...task, id: 'three' },
      ],
    }),
  ])
  expect(one).toMatchObject({ status: 503, body: { code: 'store_failed', id: 'one' } })
  expect(batch).toMatchObject({ status: 503, body: { code: 'store_failed', ids: ['two', 'three'] } })
  expect(one.headers.get('retry-after')).toBe('1')
  expect(await service.ended).toBe(74)
})
