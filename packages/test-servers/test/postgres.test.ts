import { existsSync } from 'node:fs'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Client } from 'pg'
import { findPostgres, startPostgres } from '@mcp-worker/test-servers'

const UNKNOWN = { name: 'no_such_extension', remedy: 'write it' }

test('the server that the variable names is used and left alone', async () => {
  const url = 'postgres://somebody@example.test/db'
  const found = await findPostgres({ tests: 'x', environment: { TEST_POSTGRES_URL: url } })
  expect(found).toMatchObject({ url, own: null })
  await found?.stop()
})

test('without a server the tests are skipped loudly: what is missing, and the remedy', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => said.mockRestore())
  expect(await findPostgres({ tests: 'x', extension: UNKNOWN, environment: {} })).toBeNull()
  expect(String(said.mock.calls[0]?.[0])).toMatch(
    /^SKIPPED: the tests of x; expected (.*no_such_extension|initdb).* set TEST_POSTGRES_URL .* write it\n$/,
  )
})

test('with REQUIRE_SERVERS=1 a missing server is an error', async () => {
  const environment = { REQUIRE_SERVERS: '1', TEST_POSTGRES_URL: '' }
  await expect(findPostgres({ tests: 'x', extension: UNKNOWN, environment })).rejects.toThrow(
    /found none: set TEST_POSTGRES_URL/,
  )
})

test('a server of our own keeps what was committed when it is killed, and leaves nothing', async ({
  skip,
}) => {
  const found = await findPostgres({ tests: 'our own servers' })
  await found?.stop()
  if (!found?.own) return skip('none is installed, or it is not ours')
  const own = await startPostgres({ durable: true })
  onTestFinished(() => own.stop())
  expect(own.version).toMatch(/^PostgreSQL \d+/)
  await query(own.url, 'CREATE TABLE t AS SELECT 7 AS n')
  const [{ folder }] = await query(own.url, `SELECT current_setting('data_directory') AS folder`)
  await own.killAndStart()
  expect(await query(own.url, 'SELECT n FROM t')).toEqual([{ n: 7 }])
  expect(existsSync(folder)).toBe(true)
  await own.stop()
  await own.stop()
  expect(existsSync(folder)).toBe(false)
})

async function query(url: string, text: string) {
  const client = new Client(url)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}
