import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { optionsSchema } from '../src/options.js'
import { targetsOf } from '../src/targets.js'
import { createHarness, treeOf } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

const files = { kind: 'files', root: '/srv/scratch' }

function faultsOf(options: unknown): readonly string[] {
  const { error } = optionsSchema.safeParse(options)
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

test('an option in snake_case is refused by its name, in the plugin, a target and a database', () => {
  const database = { name: 'app', engine: 'postgres', urlEnv: 'APP_DATABASE', replica_wait_ms: 1 }
  expect(
    faultsOf({
      temp_root: '/srv/temp',
      targets: {
        scratch: { ...files, older_than: '24h' },
        rows: { kind: 'database', databases: [database] },
      },
    }),
  ).toEqual([
    'targets.scratch: Unrecognized key: "older_than"',
    'targets.rows.databases.0: Unrecognized key: "replica_wait_ms"',
    ': Unrecognized key: "temp_root"',
  ])
})

test('olderThan below minAge is refused', () => {
  const scratch = { ...files, olderThan: '1h', minAge: '2h' }
  expect(faultsOf({ targets: { scratch } })).toEqual(['targets.scratch.olderThan: expected at least minAge'])
  expect(faultsOf({ targets: { scratch: { ...scratch, olderThan: '2h' } } })).toEqual([])
})

test('minAge moves the floor for payloads', async () => {
  const root = await tempFolder()
  await writeFile(join(root, 'a'), 'x')
  const { run } = await createHarness({ targets: { t: { kind: 'files', root, minAge: '1m' } } })
  expect(await run({ target: 't', older_than: '1m' })).toMatchObject({ deleted: 1 })
  await expect(run({ target: 't', older_than: '59s' })).rejects.toMatchObject({
    code: 'OLDER_THAN_BELOW_FLOOR',
  })
})

test('allowOpen deletes files that a process holds open', async () => {
  const root = await tempFolder()
  await writeFile(join(root, 'log'), 'x')
  await using held = await open(join(root, 'log'))
  const { run } = await createHarness({ targets: { t: { kind: 'files', root, allowOpen: true } } })
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({ deleted: 1, skipped: {} })
  expect((await held.stat()).nlink).toBe(0)
})

test('without removeEmptyDirectories folders stay', async () => {
  const root = await tempFolder()
  await mkdir(join(root, 'sub'))
  await writeFile(join(root, 'sub/a'), 'x')
  const target = { kind: 'files', root, removeEmptyDirectories: false }
  const { run } = await createHarness({ targets: { t: target } })
  expect(await run({ target: 't', older_than: '1h' })).toMatchObject({ deleted: 1, directories_deleted: 0 })
  expect(await treeOf(root)).toEqual(['sub/'])
})

test('tempRoot is the root of temp_files, also where a file system is mounted; other targets stay beside it', async () => {
  const dataDir = await tempFolder()
  const tempRoot = await tempFolder()
  const scratch = await tempFolder()
  const expected = { kind: 'files', root: tempRoot, allowMountRoot: true }
  const alone = await targetsOf(optionsSchema.parse({ tempRoot }), dataDir)
  expect(Object.keys(alone).toSorted()).toEqual(['task_results', 'temp_files'])
  expect(alone['temp_files']).toMatchObject(expected)
  const targets = { scratch: { kind: 'files', root: scratch } }
  const beside = await targetsOf(optionsSchema.parse({ tempRoot, targets }), dataDir)
  expect(beside['temp_files']).toMatchObject(expected)
  expect(beside['scratch']).toMatchObject({ root: scratch, allowMountRoot: false })
})
