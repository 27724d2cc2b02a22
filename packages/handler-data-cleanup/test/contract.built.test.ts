import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { testPlugin } from '@mcp-worker/runtime/testing'
import { afterAll } from 'vitest'

// one folder for the suite, since the options name it; each trial fills it anew
const root = mkdtempSync(join(realpathSync(tmpdir()), 'data-cleanup-suite-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function fill(): Promise<void> {
  await rm(root, { recursive: true, force: true })
  for (const folder of ['a', 'b/c']) await mkdir(join(root, folder), { recursive: true })
  for (let i = 0; i < 200; i++) {
    const path = join(root, i % 2 === 0 ? 'a' : 'b/c', `f${i}`)
    await writeFile(path, 'x')
    if (i % 5 !== 0) await utimes(path, 1_000_000, 1_000_000)
  }
}

testPlugin(dataCleanup({ targets: { temp_files: { kind: 'files', root } } }), {
  samples: {
    data_cleanup: {
      payload: { target: 'temp_files', older_than: '24h', basis: 'mtime', batch_size: 10, pause_ms: 1 },
      invalid: [
        { target: '../etc' },
        { target: 'temp_files', older_than: '24' },
        { target: 'temp_files', older_than: '-5m' },
        { target: 'temp_files', older_than: 24 },
        { target: 'temp_files', path: '/' },
      ],
      prepare: fill,
      state: async () => (await readdir(root, { recursive: true })).toSorted(),
    },
  },
  queries: { cleanup_preview: { target: 'temp_files', older_than: '24h' } },
})
