/**
 * The cleanup beside find, systemd-tmpfiles and rimraf, on the disk of the temporary folder and on tmpfs; one very large folder; a database with a writer.
 * Writes bench/results/cleanup.json. `--files N`, `--large N`, `--rows N`, `--rounds N`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { execFileSync } from 'node:child_process'
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
const machine = describeMachine()
const deletions: DeletionResult[] = []
const largeFolders: LargeFolderResult[] = []
for (const parent of [tmpdir(), '/dev/shm']) {
  const folder = mkdtempSync(join(parent, 'mcp-worker-cleanup-bench-'))
  const type =
    execFileSync('findmnt', ['-n', '-o', 'FSTYPE', '-T', folder], { encoding: 'utf8' }).split('\n')[0] ?? '?'
  const place: Place = { folder, fileSystem: type }
  try {
    deletions.push(...(await measureDeletions(place, { files, rounds })))
    for (const host of type === 'tmpfs' ? (['engine', 'thread'] as const) : (['engine'] as const))
      largeFolders.push(await measureLargeFolder(place, host, Number(values.large)))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
const database = await measureDatabase(Number(values.rows), rounds)
const run: CleanupRun = {
  at: new Date().toISOString(),
  machine,
  rounds,
  results: { files, deletions, largeFolders, database },
}
writeFileSync(new URL('../results/cleanup.json', import.meta.url), `${JSON.stringify(run, null, 2)}\n`)
