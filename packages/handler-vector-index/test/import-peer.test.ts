import { expect, test } from 'vitest'
import { importPeer } from '../src/import-peer.js'

/** As Node.js says it. */
function missing(name: string): Promise<never> {
  const error = new Error(`Cannot find package '${name}' imported from /app/node_modules/x.js`)
  return Promise.reject(Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' }))
}

test('a package that is not installed is named with the command that installs it', async () => {
  await expect(importPeer('pgvector', 'pg', () => missing('pg'))).rejects.toMatchObject({
    name: 'NonRetryableError',
    code: 'ENGINE_NOT_INSTALLED',
    message: expect.stringContaining('npm install pg'),
  })
})

test('a package that misses one of its own, or throws, says so itself', async () => {
  await expect(importPeer('pgvector', 'pg', () => missing('pg-pool'))).rejects.toThrow("'pg-pool'")
  await expect(importPeer('pgvector', 'pg', () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  )
  expect(await importPeer('pgvector', 'pg', () => Promise.resolve('there'))).toBe('there')
})
