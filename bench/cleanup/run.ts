/**
 * The cleanup beside find, systemd-tmpfiles and rimraf, on the disk of the temporary folder and on tmpfs; one very large folder; a database with a writer.
 * Writes bench/results/cleanup.json. `--files N`, `--large N`, `--rows N`, `--rounds N`.
 */
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

async function measureMemory(place: Place): Promise<Measured> {
  const deletions = await measureDeletions(place, { files, rounds })
  const usual = await measureLargeFolder(place, [], large)
  const small = await measureLargeFolder(place, ['--max-semi-space-size=4'], large)
  return { deletions, largeFolders: [usual, small] }
}

async function measureDisk(place: Place): Promise<Measured> {
  const deletions = await measureDeletions(place, { files, rounds })
  return { deletions, largeFolders: [] }
}

const memory = await inPlace('/dev/shm', measureMemory)
const database = await measureDatabase(Number(values.rows), rounds)
const disk = await inPlace(tmpdir(), measureDisk)
const deletions = [...disk.deletions, ...memory.deletions]
const largeFolders = [...disk.largeFolders, ...memory.largeFolders]
const results = { files, deletions, largeFolders, database }
const run: CleanupRun = { at: new Date().toISOString(), machine, rounds, results }
writeFileSync(new URL('../results/cleanup.json', import.meta.url), `${JSON.stringify(run, null, 2)}\n`)
