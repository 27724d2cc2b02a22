import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What a child is asked to measure. */
export interface Order {
  readonly mode: 'throughput' | 'pickup' | 'fill' | 'backlog'
  readonly engine: string
  readonly tasks: number
  /** Of `throughput`: tasks before the clock starts, so that no engine is measured while its code is compiled. Default 0. */
  readonly warmup?: number
  readonly url: string
  readonly folder: string
  readonly seed: number
  readonly role?: 'both' | 'submit' | 'work'
  /** Of `fill` and `backlog`: tasks that wait while others are measured. */
  readonly waiting?: number
}

export interface Answer {
  readonly version: string
  /** From the first submit to the last settled task. */
  readonly ms: number
  /** From the first submit to the last acceptance. */
  readonly acceptedMs?: number
  readonly cpuMs: number
  readonly inside?: Inside
  readonly maxRssMb: number
  /** By index, in milliseconds of CLOCK_MONOTONIC. */
  readonly called?: number[]
  readonly accepted?: number[]
  readonly handled?: number[]
  /** What is resident when the measuring ends. */
  readonly rssMb?: number
}

/** Where a run's time went, of engines that count their transactions. */
interface Inside {
  /** Of the thread that submits and runs the handlers. */
  readonly mainCpuMs: number
  /** 0 … 1: the part of the time in which its event loop was not idle. */
  readonly mainBusy: number
  readonly transactions: number
  readonly transactionMs: number
}

export interface Running {
  /** The child's worker is up. */
  readonly ready: Promise<void>
  readonly answer: Promise<Answer>
}

interface Message {
  readonly ready?: true
  readonly answer?: Answer
}

/** The flags that the container runs the worker with; all engines have them. */
const AS_DEPLOYED = ['--max-semi-space-size=8']
const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

/** Both promises reject when the child ends without an answer. `profileTo`: a folder for its CPU profile. */
export function inChild(order: Order, profileTo: string | null = null): Running {
  const profile = profileTo === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileTo}`]
  const execArgv = [...AS_DEPLOYED, ...profile]
  const child = fork(CHILD, [JSON.stringify(order)], { execArgv, stdio: ['ignore', 2, 2, 'ipc'] })
  const ready = new Promise<void>((resolve, reject) => {
    child.on('message', (message: Message) => message.ready && resolve())
    child.once('exit', () => reject(new Error(`${order.engine} ended before it was ready`)))
  })
  ready.catch(() => {}) // only one mode waits for it
  const answer = new Promise<Answer>((resolve, reject) => {
    let got: Answer | null = null
    child.on('message', (message: Message) => (got = message.answer ?? got))
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      if (got && code === 0) resolve(got)
      else reject(new Error(`${order.engine} ended with ${code ?? signal} and no answer`))
    })
  })
  return { ready, answer }
}

/** A temporary folder for as long as the work takes. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-bench-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
