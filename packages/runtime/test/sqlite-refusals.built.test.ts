import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mcp-worker-refusals-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

/** Starts a worker on the file as it is, and answers the code of its refusal. */
async function refusalOf(path: string): Promise<unknown> {
  const worker = createWorker({ plugins: [], queue: sqliteQueue({ path }), dataDir: directory })
  try {
    await worker.start()
  } catch (error) {
    return (error as { readonly code?: unknown }).code
  }
  await worker.stop()
  return 'it started'
}

function database(sql: string): string {
  const path = join(directory, 'queue.db')
  const db = new DatabaseSync(path)
  db.exec(sql)
  db.close()
  return path
}

describe('a file that the embedded queue cannot use', () => {
  it('refuses the start with store_failed where it is no database, and leaves it alone', async () => {
    const path = join(directory, 'queue.db')
    const bytes = Buffer.alloc(8192, 'no database')
    writeFileSync(path, bytes)
    expect(await refusalOf(path)).toBe('store_failed')
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })

  it("refuses the start with store_failed where it is another program's, and leaves it alone", async () => {
    const path = database('CREATE TABLE customers (id INTEGER PRIMARY KEY) STRICT')
    const before = readFileSync(path)
    expect(await refusalOf(path)).toBe('store_failed')
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it('refuses the start with store_newer where a newer version wrote it, and leaves it alone', async () => {
    const ours = 'PRAGMA application_id = 1835234167; PRAGMA user_version = 99'
    const path = database(`CREATE TABLE tasks (seq INTEGER PRIMARY KEY) STRICT; ${ours}`)
    const before = readFileSync(path)
    expect(await refusalOf(path)).toBe('store_newer')
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})
