import { execFileSync } from 'node:child_process'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { countDeleted, countError, newTally } from '../src/files/tally.js'
import { createHarness, memoryCheckpoint } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

const KIB = 1024

test('a folder deeper than a path can be long is one fault, and everything else is cleaned', async () => {
  const root = await tempFolder()
  await writeFile(join(root, 'old'), 'x')
  await mkdir(join(root, 'other'))
  await writeFile(join(root, 'other/old'), 'x')
  await makeDeep(root, 'd'.repeat(250), 20)
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } } })
  const result = await run({ target: 't', older_than: '1h' })
  expect(result).toMatchObject({ outcome: 'partial', deleted: 2, error_count: 1, directories_deleted: 1 })
  expect(result.errors[0]).toMatchObject({ code: 'ENAMETOOLONG' })
})

/** Through handles: no path reaches the last of these folders. */
async function makeDeep(root: string, name: string, levels: number): Promise<void> {
  let handle = await open(root)
  // Node.js removes by paths
  onTestFinished(async () => {
    await handle.close()
    execFileSync('rm', ['-rf', join(root, name)])
  })
  for (let i = 0; i < levels; i++) {
    const child = `/proc/self/fd/${handle.fd}/${name}`
    await mkdir(child)
    const inner = await open(child)
    await handle.close()
    handle = inner
  }
}

test('what a run remembers fits a checkpoint and a result, whatever the names are', () => {
  const tally = newTally()
  // as JSON each of these characters takes six bytes
  const path = '\u0001'.repeat(600)
  for (let i = 0; i < 1_000; i++) {
    countDeleted(tally, { path, bytes: 1 }, 1_000)
    countError(tally, [path], 'EPERM')
  }
  expect(tally).toMatchObject({ deleted: 1_000, error_count: 1_000 })
  const bytes = Buffer.byteLength(JSON.stringify(tally))
  expect(bytes).toBeGreaterThan(100 * KIB)
  expect(bytes).toBeLessThan(150 * KIB)
})

test('the list names the first ones: nothing comes after one that did not fit, also after a restart', () => {
  let tally = newTally()
  for (let i = 0; i < 500; i++) {
    countDeleted(tally, { path: `${i}-${'x'.repeat(500)}`, bytes: 1 }, 1_000)
    if (i === 90) tally = structuredClone(tally)
  }
  countDeleted(tally, { path: 'short', bytes: 1 }, 1_000)
  expect(tally.files.map(({ path }) => Number(path.split('-')[0]))).toEqual(tally.files.map((_, i) => i))
  expect(tally.files.length).toBeLessThan(200)
  expect(tally.files.length).toBeGreaterThan(150)
})

test('a dry run of many long names can store its checkpoint', async () => {
  const root = await tempFolder()
  const name = 'ü'.repeat(124)
  for (let i = 0; i < 1_200; i++) await writeFile(join(root, `${i}${name}`), 'x')
  const { run } = await createHarness({ targets: { t: { kind: 'files', root } } })
  const { checkpoint, stored } = memoryCheckpoint()
  const payload = { target: 't', older_than: '1h', dry_run: true, batch_size: 500, pause_ms: 600 }
  expect(await run(payload, { checkpoint })).toMatchObject({ deleted: 1_200 })
  expect(stored.length).toBeGreaterThan(1)
  for (const text of stored) expect(Buffer.byteLength(text)).toBeLessThan(256 * KIB)
})
