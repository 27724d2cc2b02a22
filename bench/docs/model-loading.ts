import type { LoadingResults } from '../model-cache/loading.ts'
import { markdownTable, readRun, where } from './markdown.ts'

const names: Readonly<Record<LoadingResults['loads'][number]['way'], string>> = {
  idle: 'nothing, 2 s',
  'onnx-inline': '`onnxruntime-node` in the main thread',
  'onnx-thread': '`onnxruntime-node` in a thread',
  'onnx-engine': 'engine `onnx` (a process)',
  'file-read-at-once': '`readFileSync` and SHA-256',
  'file-streamed': 'a stream and SHA-256 in the main thread',
  'file-engine': 'engine `file` with a digest (a thread)',
}

function loadTable({ loads }: LoadingResults): string {
  const head = ['loaded by', 'ms', 'lag p99, ms', 'lag at worst, ms', 'MB kept after it was freed']
  const body = loads.map(({ way, ms, lagP99Ms, lagMaxMs, keptMb }) => [
    names[way],
    ...[ms, lagP99Ms, lagMaxMs, keptMb].map(String),
  ])
  return markdownTable(head, body)
}

function abortSentence({ way, sample, died }: LoadingResults['aborts'][number]): string {
  if (sample === null) return `${names[way]}: ${died} ended the whole process.`
  return `${names[way]}: rejected, with all memory back, after ${sample.ms.toFixed(0)} ms.`
}

/** The section of docs/benchmarks.md. */
export function modelLoadingSection(): string {
  const run = readRun<LoadingResults>('model-loading')
  const { results } = run
  const cycles = results.cycles.map(({ engine, megabytes, cycles: count, startMb, endMb, medianLoadMs }) => [
    `\`${engine}\``,
    ...[megabytes, count, medianLoadMs, startMb, endMb].map(String),
  ])
  const cyclesHead = [
    'engine',
    'MiB',
    'cycles',
    'median load, ms',
    'MB of the process after ten cycles',
    'at the end',
  ]
  return `### Where a model is loaded

${results.megabytes} MiB, median of ${results.rounds} rounds (lag at worst: of all), each in a process of its own, its event loop watched by \`monitorEventLoopDelay\`. What else ran on the machine shows in the first row.

${loadTable(results)}

A load that is given up after 500 ms. ${results.aborts.map(abortSentence).join(' ')}

Load, run and unload, again and again:

${markdownTable(cyclesHead, cycles)}

${where(run)}
`
}
