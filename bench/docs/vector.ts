import type { Parts, SearchResult, TaskResult, WriteResult } from '../vector/parts.ts'
import { OURS } from '../vector/catalogue.ts'
import { embedderTable } from './embedder.ts'
import { markdownTable, readResults, thousands, where } from './markdown.ts'

/** Of HANDLERS.md: ready vectors per CPU second at batches of 100. */
const TARGET = 25_000

const ms = (value: number) => value.toFixed(value < 10 ? 1 : 0)

/** What there is of each engine, in the order in which they were measured. */
function byEngine<R extends { readonly name: string }>(
  results: readonly R[],
): readonly (readonly [string, readonly R[]])[] {
  const names = [...new Set(results.map(({ name }) => name))]
  return names.map((name) => [name, results.filter((each) => each.name === name)] as const)
}

function settingsOf(results: readonly { readonly name: string; readonly settings: string }[]): string {
  return byEngine(results)
    .map(([name, [first]]) => `**${name}**: ${first?.settings}`)
    .join(' · ')
}

function writesTable(results: readonly WriteResult[]): string {
  const batches = [...new Set(results.map(({ batch }) => batch))]
  const head = [
    'engine',
    'an acknowledged batch survives',
    ...batches.map((batch) => `batches of ${thousands(batch)}`),
    ...batches.map((batch) => `replaced, ${thousands(batch)}`),
    'KiB on disk',
  ]
  const rows = byEngine(results).map(([name, all]) => {
    const at = (batch: number) => all.find((each) => each.batch === batch)!
    const first = all[0]!
    const hundred = at(100)
    return [
      `${name} ${first.version}`,
      first.durability,
      ...batches.map((batch) => thousands(at(batch).insertsPerCpuSecond)),
      ...batches.map((batch) => thousands(at(batch).replacesPerCpuSecond)),
      ((hundred.diskMb * 1024) / hundred.inserts).toFixed(1),
    ]
  })
  return markdownTable(head, rows)
}

function searchTable(results: readonly SearchResult[]): string {
  const levels = [...new Set(results.map(({ vectors }) => vectors))]
  const head = ['engine', ...levels.map(thousands), 'first search', 'RSS MiB']
  const rows = byEngine(results).map(([name, all]) => {
    const cells = levels.map((level) => {
      const one = all.find(({ vectors }) => vectors === level)
      return one === undefined ? '–' : `${ms(one.p50Ms)} / ${ms(one.p99Ms)} (${ms(one.cpuMsPerSearch)})`
    })
    const largest = all.at(-1)!
    return [
      `${name} ${largest.version}`,
      ...cells,
      all.map(({ firstMs }) => ms(firstMs)).join(', '),
      all.map(({ maxRssMb }) => String(maxRssMb)).join(', '),
    ]
  })
  return markdownTable(head, rows)
}

function recallTable(results: readonly SearchResult[]): string {
  const head = ['engine', 'clustered', 'isotropic', 'p50 ms, clustered', 'p50 ms, isotropic']
  const rows = byEngine(results).map(([name, all]) => {
    const at = (shape: string) => all.find((each) => each.shape === shape)!
    const shapes = [at('clustered'), at('isotropic')]
    return [
      `${name} ${shapes[0]!.version}`,
      ...shapes.map(({ recallAt10 }) => (recallAt10 ?? Number.NaN).toFixed(3)),
      ...shapes.map(({ p50Ms }) => ms(p50Ms)),
    ]
  })
  return markdownTable(head, rows)
}

function taskTable(results: readonly TaskResult[]): string {
  const head = [
    'documents',
    'per second',
    'per CPU second',
    'again, unchanged, per CPU second',
    'main-loop lag p99, ms',
    'RSS MiB',
  ]
  return markdownTable(
    head,
    results.map((each) => [
      `${thousands(each.documents)} ${each.content === 'texts' ? 'texts of 600 characters' : `ready vectors of ${each.dimension}, as JSON`}`,
      thousands(each.documentsPerSecond),
      thousands(each.documentsPerCpuSecond),
      thousands(each.unchangedPerCpuSecond),
      ms(Math.max(0, each.loopLagP99Ms)),
      String(each.maxRssMb),
    ]),
  )
}

/** The vector index's part of docs/benchmarks.md. */
export function vectorSection(): string {
  const { writes, searches, recall, embedders, task } = readResults<Parts>('vector')
  const ours = writes.results.find(({ name, batch }) => name === OURS && batch === 100)!
  const met = ours.insertsPerCpuSecond >= TARGET ? 'met' : 'not met'
  return `## Vectors written

Ready vectors of 384 float32 components per second of CPU time (all threads of the process), with their ids, ${writes.rounds === 1 ? 'one round' : `median of ${writes.rounds} rounds`}; ours through
\`lookup\` and \`write\` of the store, as the task calls them. "Replaced": other vectors under ids that are there. The target is ${thousands(TARGET)} at batches of 100: ${met},
with ${thousands(ours.insertsPerCpuSecond)} (${thousands(Math.min(...ours.insertRates))}–${thousands(Math.max(...ours.insertRates))}).

${where(writes)}

${writesTable(writes.results)}

How each engine was set up: ${settingsOf(writes.results)}

## Vectors searched

The ten nearest by cosine, one search after the other, clustered data, in milliseconds (p50 / p99, and in brackets the CPU time of one, which says more where the machine is shared), without an index: every vector is compared. "First search": right after
the last write, which may have to read everything; one figure per size, as for the resident memory, in which the bench's own copy of the vectors counts too.

${where(searches)}

${searchTable(searches.results)}

## Neighbours found

The share of the ten true neighbours that is found (recall@10), ${recall.results[0]?.questions} questions, ${thousands(recall.results[0]?.vectors ?? 0)} vectors. Clustered: around centres, two vectors of a cluster
have a cosine of about .8. Isotropic: all directions equally likely, so that the neighbours are hardly nearer than the rest.

${where(recall)}

${recallTable(recall.results)}

The indexes: ${settingsOf(recall.results.filter(({ name }) => name.includes('HNSW') || name.includes('IVF')))}

## Texts embedded

The quality is that on the queries which no constant of ours was chosen on; the sets are those of \`packages/embedder/scripts/quality-sets.ts\`.

${where(embedders)}

${embedderTable(embedders)}

How each was set up: ${settingsOf(embedders.results)}

## Whole tasks

One \`vector_index\` task with \`documents_ref\`, through a worker with the memory queue, batches of 100, the plugin in its thread, after a warm-up. Here a vector is read from JSON text, checked, hashed and
checkpointed too. CPU time is that of the whole process.

${where(task)}

${taskTable(task.results)}
`
}
