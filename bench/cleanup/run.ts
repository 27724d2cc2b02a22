/**
 * The cleanup beside find, systemd-tmpfiles and rimraf, on the disk of the temporary folder and on tmpfs; one very large folder; a database with a writer.
 * Writes bench/results/cleanup.json, or `--out FILE`. `--files N`, `--large N`, `--rows N`, `--rounds N`: the defaults are the sizes of the documentation.
 */
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from '../queue/machine.ts'
import { measureDatabase } from './database.ts'
import { type Place, measureDeletions, measureLargeFolder } from './deletions.ts'
import type { CleanupRun, DeletionResult, LargeFolderResult } from './parts.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '100000' },
    large: { type: 'string', default: '1000000' },
    rows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string', default: fileURLToPath(new URL('../results/cleanup.json', import.meta.url)) },
  },
})
const files = Number(values.files)
const rounds = Number(values.rounds)
const large = Number(values.large)
const machine = describeMachine()

interface Measured {
  readonly deletions: readonly DeletionResult[]
  readonly largeFolders: readonly LargeFolderResult[]
}

/** statfs(2) */
const TYPES: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x01021994: 'tmpfs',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
}

/** Runs `measure` in a folder of its own below `parent`. */
async function inPlace<T>(parent: string, measure: (place: Place) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(parent, 'mcp-worker-cleanup-bench-'))
  try {
    return await measure({ folder, fileSystem: TYPES[statfsSync(folder).type] ?? '?' })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One after the other: they are the same disk's time. */
async function measureMemory(place: Place): Promise<Measured> {
  const deletions = measureDeletions(place, { files, rounds })
  const largeFolders = (['worker', 'plugin alone'] as const).map((where) =>
    measureLargeFolder(place, where, large),
  )
  return { deletions, largeFolders }
}

async function measureDisk(place: Place): Promise<Measured> {
  return { deletions: measureDeletions(place, { files, rounds }), largeFolders: [] }
}

const memory = await inPlace('/dev/shm', measureMemory)
const database = await measureDatabase(Number(values.rows), rounds)
const disk = await inPlace(tmpdir(), measureDisk)
const deletions = [...disk.deletions, ...memory.deletions]
const largeFolders = [...disk.largeFolders, ...memory.largeFolders]
const results = { files, deletions, largeFolders, database }
const run: CleanupRun = { at: new Date().toISOString(), machine, rounds, results }
writeFileSync(values.out, `${JSON.stringify(run, null, 2)}\n`)
