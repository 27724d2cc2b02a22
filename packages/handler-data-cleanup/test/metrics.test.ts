import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkHealth } from '../src/health.js'
import { INSTRUMENTS, createCleanupMetrics } from '../src/metrics.js'
import { nothingFound, resultOf } from '../src/result.js'
import { createHarness } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

function keyOf(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return `${name} ${Object.values(labels).join(' ')}`
}

function recorded() {
  const seen: Record<string, number> = {}
  const made: string[] = []
  const metrics = createCleanupMetrics({
    counter: ({ name }) => {
      made.push(name)
      return {
        inc: (labels, n = 1) => void (seen[keyOf(name, labels)] = (seen[keyOf(name, labels)] ?? 0) + n),
      }
    },
    gauge: ({ name }) => {
      made.push(name)
      return { set: (value, labels) => void (seen[keyOf(name, labels)] = value) }
    },
    histogram: ({ name }) => {
      made.push(name)
      return { observe: (value, labels) => void (seen[keyOf(name, labels)] = value) }
    },
  })
  return { metrics, seen, made }
}

const head = { target: 't', kind: 'files', dry_run: false } as const
const found = {
  ...nothingFound(),
  deleted: 3,
  bytes_freed: 4_096,
  error_count: 2,
  skipped: { young: 7, open: 1 },
}

test('every instrument is made, and no other', () => {
  expect(recorded().made.toSorted()).toEqual(Object.keys(INSTRUMENTS).toSorted())
})

test('a run counts what it deleted, freed and kept', () => {
  const { metrics, seen } = recorded()
  metrics.ran(resultOf(head, { ...found, outcome: 'partial' }, 1_000), 1)
  expect(seen).toEqual({
    'runs_total t partial': 1,
    'deleted_total t': 3,
    'freed_bytes_total t': 4_096,
    'rows_deleted_total t': 0,
    'kept_total t young': 7,
    'kept_total t open': 1,
    'errors_total t': 2,
    'run_seconds t': 1,
  })
})

test('only a run that left nothing undone sets the time of the last success', () => {
  for (const outcome of ['done', 'not_needed'] as const) {
    const { metrics, seen } = recorded()
    metrics.ran(resultOf(head, { ...found, outcome }, 1_000), 1)
    expect(seen['last_success_timestamp_seconds t']).toBeCloseTo(Date.now() / 1_000, -2)
  }
  for (const outcome of ['partial', 'locked', 'absent'] as const) {
    const { metrics, seen } = recorded()
    metrics.ran(resultOf(head, { ...found, outcome }, 1_000), 1)
    expect(seen).not.toHaveProperty('last_success_timestamp_seconds t')
  }
})

test('a dry run counts as a run and deletes nothing; a failed one is counted as failed', () => {
  const { metrics, seen } = recorded()
  metrics.ran(resultOf({ ...head, dry_run: true }, found, 1_000), 1)
  metrics.failed('t', 2)
  expect(seen).toEqual({ 'runs_total t done': 1, 'runs_total t failed': 1, 'run_seconds t': 2 })
})

test('the health check measures the disks of the targets, and finds no fault in a root that is not there', async () => {
  const { metrics, seen } = recorded()
  const root = await tempFolder()
  const targets = { here: { kind: 'files', root }, none: { kind: 'files', root: join(root, 'none') } }
  const { deps } = await createHarness({ targets })
  await checkHealth({ ...deps, metrics })
  expect(Object.keys(seen)).toEqual(['disk_free_bytes here', 'disk_free_ratio here'])
  expect(seen['disk_free_ratio here']).toBeGreaterThan(0)
  expect(seen['disk_free_ratio here']).toBeLessThanOrEqual(1)
})

test('the health check fails where the locks cannot be written', async () => {
  const folder = await tempFolder()
  await writeFile(join(folder, 'file'), 'x')
  const { deps } = await createHarness({ targets: {}, dataDir: join(folder, 'file') })
  await expect(checkHealth(deps)).rejects.toThrow(/EEXIST|ENOTDIR/)
})
