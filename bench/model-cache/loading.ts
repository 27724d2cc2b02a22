/**
 * What the load of a 400 MB model does to the event loop, in this thread, in a thread and by the engines of the model cache; and what becomes of a load
 * that is given up: `node model-cache/loading.ts [--cycles-only]`. Writes results/model-loading.json.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeOnnx } from '../../packages/handler-model-cache/test/models/write-onnx.ts'
import { describeMachine, median } from '../queue/machine.ts'
import { table } from '../queue/table.ts'
import { measureCycles, type CyclesResult } from './cycles.ts'

const WAYS = [
  'idle',
  'onnx-inline',
  'onnx-thread',
  'onnx-engine',
  'file-read-at-once',
  'file-streamed',
  'file-engine',
] as const
export type Way = (typeof WAYS)[number]
export type Mode = 'load' | 'abort'

/** Of one load, or of one abort 500 ms after the start of a load. */
export interface LoadingSample {
  /** Of the load; of an abort: until the promise was settled. */
  readonly ms: number
  readonly lagP99Ms: number
  readonly lagMaxMs: number
  /** The most CPU time that the main thread took within one turn of its loop: what the load itself holds up, however busy the machine is. */
  readonly busyMaxMs: number
  /** More resident memory after the model was freed than before the load. */
  readonly keptMb: number
}

/** What is left in bench/results/model-loading.json. */
export interface LoadingResults {
  readonly megabytes: number
  readonly rounds: number
  /** The medians of the rounds; of `lagMaxMs` and `busyMaxMs` the worst. */
  readonly loads: readonly (LoadingSample & { readonly way: Way })[]
  /** `died`: the signal that ended the whole process. */
  readonly aborts: readonly {
    readonly way: Way
    readonly sample: LoadingSample | null
    readonly died: string | null
  }[]
  readonly cycles: readonly CyclesResult[]
}

const ROUNDS = 3
const resultFile = new URL('../results/model-loading.json', import.meta.url)
const MEGABYTES = 400
const child = fileURLToPath(new URL('loading-child.ts', import.meta.url))

function run(way: Way, mode: Mode, root: string, hash: string): Promise<LoadingSample | string> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, MODEL_SHA256: hash } }
    execFile(process.execPath, [child, way, mode, root, 'model.onnx'], options, (error, stdout, stderr) => {
      if (error?.signal) resolve(error.signal)
      else if (error) reject(new Error(`${way} ${mode}: ${stderr}`))
      else resolve(JSON.parse(stdout) as LoadingSample)
    })
  })
}

async function measureLoads(root: string, hash: string): Promise<LoadingResults['loads']> {
  const samples = new Map<Way, LoadingSample[]>(WAYS.map((way) => [way, []]))
  for (let done = 0; done < ROUNDS; done += 1) {
    for (const way of WAYS) {
      const sample = await run(way, 'load', root, hash)
      if (typeof sample === 'string') throw new Error(`${way} ended with ${sample}`)
      samples.get(way)?.push(sample)
    }
  }
  return [...samples].map(([way, all]) => ({
    way,
    ms: round(median(all.map(({ ms }) => ms)), 0),
    lagP99Ms: round(median(all.map(({ lagP99Ms }) => lagP99Ms)), 1),
    lagMaxMs: round(Math.max(...all.map(({ lagMaxMs }) => lagMaxMs)), 1),
    busyMaxMs: round(Math.max(...all.map(({ busyMaxMs }) => busyMaxMs)), 1),
    keptMb: median(all.map(({ keptMb }) => keptMb)),
  }))
}

async function measureAborts(root: string, hash: string): Promise<LoadingResults['aborts']> {
  const aborts = []
  for (const way of ['onnx-thread', 'onnx-engine'] as const) {
    const outcome = await run(way, 'abort', root, hash)
    const died = typeof outcome === 'string' ? outcome : null
    aborts.push({ way, sample: typeof outcome === 'string' ? null : outcome, died })
  }
  return aborts
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** What another run has left of the part that this one does not measure. */
function readEarlier(): Pick<LoadingResults, 'loads' | 'aborts'> {
  return (JSON.parse(readFileSync(resultFile, 'utf8')) as { results: LoadingResults }).results
}

async function measureAll(): Promise<Pick<LoadingResults, 'loads' | 'aborts'>> {
  const root = mkdtempSync(join(tmpdir(), 'model-loading-'))
  try {
    const model = join(root, 'model.onnx')
    writeOnnx(model, MEGABYTES)
    const hash = createHash('sha256').update(readFileSync(model)).digest('hex')
    return { loads: await measureLoads(root, hash), aborts: await measureAborts(root, hash) }
  } finally {
    rmSync(root, { recursive: true })
  }
}

const machine = describeMachine()
// first, while nothing else is in this process's memory
const cycles = await measureCycles()
const { loads, aborts } = process.argv.includes('--cycles-only') ? readEarlier() : await measureAll()
const results: LoadingResults = { megabytes: MEGABYTES, rounds: ROUNDS, loads, aborts, cycles }
const result = { at: new Date().toISOString(), machine, results }
writeFileSync(resultFile, `${JSON.stringify(result, null, 2)}\n`)
const rows = loads.map(({ way, ms, lagP99Ms, lagMaxMs, busyMaxMs, keptMb }) =>
  [way, ms, lagP99Ms, lagMaxMs, busyMaxMs, keptMb].map(String),
)
console.log(table(['way', 'load ms', 'lag p99 ms', 'lag max ms', 'busy max ms', 'kept MB'], rows))
console.log(JSON.stringify({ aborts, cycles }, null, 2))
