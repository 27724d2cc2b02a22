import type { CleanupResults, DeletionResult } from '../cleanup/parts.ts'
import { markdownTable, readRun, thousands, where } from './markdown.ts'

function deletionTable(deletions: readonly DeletionResult[], fileSystem: string): string {
  const here = deletions.filter((each) => each.fileSystem === fileSystem)
  const find = here.find(({ name }) => name === 'find -delete')!.medianSeconds
  const rows = here.map(({ name, version, seconds, medianSeconds, maxRssMb, loopLagP99Ms }) => [
    `${name} ${/[0-9][0-9.]*/.exec(version)?.[0] ?? version}`,
    medianSeconds.toFixed(2),
    `${Math.min(...seconds).toFixed(2)}–${Math.max(...seconds).toFixed(2)}`,
    `${(medianSeconds / find).toFixed(2)} ×`,
    loopLagP99Ms === null ? '–' : loopLagP99Ms.toFixed(1),
    maxRssMb === null ? '–' : String(maxRssMb),
  ])
  const head = [fileSystem, 'seconds (median)', 'least–most', 'of `find`', 'loop lag p99, ms', 'RSS MiB']
  return markdownTable(head, rows)
}

/** The part of docs/benchmarks.md about data_cleanup. */
export function cleanupSection(): string {
  const run = readRun<CleanupResults>('cleanup')
  const { files, deletions, largeFolders, database } = run.results
  const systems = [...new Set(deletions.map(({ fileSystem }) => fileSystem))]
  const large = largeFolders.map((each) => [
    thousands(each.files),
    each.fileSystem,
    each.where,
    each.seconds.toFixed(0),
    String(each.idleRssMb),
    String(each.maxRssMb),
    String(each.maxRssMb - each.idleRssMb),
    each.loopLagP99Ms.toFixed(1),
  ])
  const slowest = database.slowestWriteMs.map((ms) => ms.toFixed(0)).join(', ')
  return `## Cleanup

${thousands(files)} old files in folders of 1,000, all deleted by age; making them and a sync are not counted, ${run.rounds} rounds in turn. Programs are counted from their start to their end, ours from the submit to
the result in a running worker: the plugin in its thread (the default), and inline, where its own loop is the one whose lag is told. rimraf deletes without looking at ages.
\`node bench/cleanup/run.ts\`.

${where(run)}

${systems.map((system) => deletionTable(deletions, system)).join('\n\n')}

One folder with very many files, by a worker with the plugin in its thread, and by the plugin alone in a process with the flags of the service. Idle is the process before the run, its code loaded.
What comes on top is V8's heap for short-lived objects, which grows to its own limit and no further:

${markdownTable(['files', 'on', 'process', 'seconds', 'RSS MiB idle', 'at most', 'more', 'loop lag p99, ms'], large)}

${thousands(database.rows)} expired rows of a SQLite file, while another process writes a row every millisecond, each in a transaction of its own: ${database.seconds.toFixed(1)} s at most, the slowest write of each round
took ${slowest} ms (p99 ${Math.max(...database.p99WriteMs).toFixed(1)} ms), the write-ahead log grew to ${database.maxWalMb} MiB, the file shrank from ${database.fileMbBefore} to ${database.fileMbAfter} MiB.
`
}
