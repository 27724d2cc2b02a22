import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createFileEngine,
  createOnnxEngine,
  fileEngineOptions,
  type ModelEngine,
  onnxEngineOptions,
} from '@mcp-worker/handler-model-cache'
import { writeOnnx } from '../../packages/handler-model-cache/test/models/write-onnx.ts'

export interface CyclesResult {
  readonly engine: string
  readonly megabytes: number
  readonly cycles: number
  /** Resident memory of this process after the first cycles, in MB. */
  readonly startMb: number
  readonly endMb: number
  readonly medianLoadMs: number
}

const CYCLES = 200
/** What a process takes once and keeps is there after so many. */
const SETTLING = 10
const MEGABYTES = 100
const never = new AbortController().signal

/** Loads, runs and unloads a model 200 times by each engine. The memory of the children is theirs: none is left between two cycles. */
export async function measureCycles(): Promise<readonly CyclesResult[]> {
  const root = mkdtempSync(join(tmpdir(), 'model-cycles-'))
  try {
    writeOnnx(join(root, 'model.onnx'), MEGABYTES)
    const engines = [
      createOnnxEngine(onnxEngineOptions.parse({ root })),
      createFileEngine(fileEngineOptions.parse({ root })),
    ]
    const results: CyclesResult[] = []
    for (const engine of engines) results.push(await measureEngine(engine))
    return results
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function measureEngine(engine: ModelEngine): Promise<CyclesResult> {
  const times: number[] = []
  let startMb = 0
  for (let cycle = 1; cycle <= CYCLES; cycle += 1) {
    const started = performance.now()
    const model = { modelId: 'model.onnx', revision: null, digest: null }
    const loaded = await engine.load(model, { signal: never, progress: () => {}, keepAliveMs: null })
    times.push(performance.now() - started)
    await loaded.warmup({ runs: 1, maxMs: 60_000, signal: never })
    await loaded.unload(never)
    if (cycle === SETTLING) startMb = residentMb()
  }
  await engine.close()
  const medianLoadMs = Math.round(times.toSorted((a, b) => a - b)[CYCLES / 2] ?? 0)
  return {
    engine: engine.name,
    megabytes: MEGABYTES,
    cycles: CYCLES,
    startMb,
    endMb: residentMb(),
    medianLoadMs,
  }
}

function residentMb(): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return Math.round(Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1000)
}
