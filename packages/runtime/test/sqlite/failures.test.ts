import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { toStoreError } from '../../src/sqlite/failures.js'

it('says of a file that cannot be opened what was expected', () => {
  let error: unknown
  try {
    new DatabaseSync(join(tmpdir(), 'no-such-folder', 'queue.db')).close()
  } catch (thrown) {
    error = thrown
  }
  const failure = toStoreError(error)
  expect(failure.code).toBe('store_unavailable')
  expect(failure.message).toMatch(/cannot be opened: expected a folder that this user may write to/)
})
