import type { Server } from '@mcp-worker/test-servers'
import { ENTRIES, LIMIT, type Entry } from './catalogue.ts'
import type { Durability } from './engine.ts'
import { type Answer, inChild, withFolder } from './in-child.ts'
import { median, round } from './machine.ts'
import { createRandom, shuffled } from './random.ts'
import { table, thousands } from './table.ts'

export interface ThroughputOptions {
  readonly tasks: number
  readonly warmup: number
  readonly rounds: number
  readonly seed: number
  readonly engines: readonly string[]
  readonly profileTo: string | null
  readonly say: (line: string) => void
}

/** One engine over all rounds. Rates are whole cycles a second: submitted, run, settled. */
export interface EngineResult {
  readonly name: string
  readonly version: string
  readonly server: string | null
  readonly durability: Durability
  readonly settings: string
  readonly rates: readonly number[]
  readonly medianRate: number
  /** Acceptances a second in the closed loop, while the worker runs beside it. */
  readonly medianAcceptedRate: number | null
  /** Of the engine's Node process, per task in microseconds. */
  readonly cpuUsPerTask: number
  readonly maxRssMb: number
  /** Means over the rounds, where the engine counts its transactions. */
  readonly inside: InsideResult | null
  readonly failure: string | null
}

export interface InsideResult {
  readonly mainCpuUsPerTask: number
  /** Of all other threads: the store's, the collector's. */
  readonly otherCpuUsPerTask: number
  readonly mainBusy: number
  readonly tasksPerTransaction: number
  readonly msPerTransaction: number
  /** The part of the time in which a transaction ran. */
  readonly inTransaction: number
}

type Candidate = Pick<Entry, 'name' | 'durability' | 'settings'> & { readonly server: Entry['server'] }
interface Measured {
  readonly answer: Answer | null
  readonly server: string | null
  readonly failure: string | null
}

/** Every round takes each engine once, in an order shuffled by the seed. */
export async function measureThroughput(options: ThroughputOptions): Promise<EngineResult[]> {
  const random = createRandom(options.seed)
  const candidates = candidatesOf(options.engines)
  const measured = new Map<string, Measured[]>(candidates.map((each) => [each.name, []]))
  for (let number = 1; number <= options.rounds; number++) {
    for (const candidate of shuffled(candidates, random)) {
      const one = await measureOnce(candidate, options)
      measured.get(candidate.name)?.push(one)
      const rate = one.answer ? `${thousands((options.tasks / one.answer.ms) * 1000)}/s` : one.failure
      options.say(`round ${number} of ${options.rounds}  ${candidate.name}  ${rate}`)
    }
  }
  return candidates.map((each) => summary(each, measured.get(each.name) ?? [], options.tasks))
}

function candidatesOf(engines: readonly string[]): Candidate[] {
  const all: Candidate[] = [...ENTRIES, { ...LIMIT, server: null }]
  const unknown = engines.filter((name) => !all.some((each) => each.name === name))
  if (unknown.length > 0) {
    throw new Error(
      `expected engines out of ${all.map((each) => each.name).join(', ')}; got ${unknown.join(', ')}`,
    )
  }
  return engines.length === 0 ? all : all.filter((each) => engines.includes(each.name))
}

async function measureOnce(candidate: Candidate, options: ThroughputOptions): Promise<Measured> {
  let server: Server | null = null
  try {
    server = (await candidate.server?.()) ?? null
    const url = server?.url ?? ''
    const answer = await withFolder((folder) => {
      const order = {
        mode: 'throughput',
        engine: candidate.name,
        tasks: options.tasks,
        warmup: options.warmup,
        seed: options.seed,
      } as const
      return inChild({ ...order, url, folder }, options.profileTo).answer
    })
    return { answer, server: server?.version ?? null, failure: null }
  } catch (error) {
    return { answer: null, server: server?.version ?? null, failure: (error as Error).message }
  } finally {
    await server?.stop()
  }
}

function summary(candidate: Candidate, measured: readonly Measured[], tasks: number): EngineResult {
  const answers = measured.flatMap(({ answer }) => (answer ? [answer] : []))
  const perSecond = (ms: number) => Math.round((tasks / ms) * 1000)
  const accepted = answers.flatMap(({ acceptedMs }) =>
    acceptedMs === undefined ? [] : [perSecond(acceptedMs)],
  )
  return {
    name: candidate.name,
    version: answers[0]?.version ?? '?',
    server: measured[0]?.server ?? null,
    durability: candidate.durability,
    settings: candidate.settings,
    rates: answers.map(({ ms }) => perSecond(ms)),
    medianRate: median(answers.map(({ ms }) => perSecond(ms))),
    medianAcceptedRate: accepted.length === 0 ? null : median(accepted),
    cpuUsPerTask: round((median(answers.map(({ cpuMs }) => cpuMs)) * 1000) / tasks, 1),
    maxRssMb: Math.round(Math.max(...answers.map(({ maxRssMb }) => maxRssMb))),
    inside: insideOf(answers, tasks),
    failure: measured.find(({ failure }) => failure !== null)?.failure ?? null,
  }
}

function insideOf(answers: readonly Answer[], tasks: number): InsideResult | null {
  const seen = answers.flatMap(({ inside, ms, cpuMs }) => (inside ? [{ ...inside, ms, cpuMs }] : []))
  if (seen.length === 0) return null
  const total = (of: (each: (typeof seen)[number]) => number) => seen.reduce((sum, each) => sum + of(each), 0)
  const [all, ms] = [tasks * seen.length, total((each) => each.ms)]
  const mainMs = total((each) => each.mainCpuMs)
  const [transactions, transactionMs] = [
    total((each) => each.transactions),
    total((each) => each.transactionMs),
  ]
  return {
    mainCpuUsPerTask: round((mainMs * 1000) / all, 1),
    otherCpuUsPerTask: round(((total((each) => each.cpuMs) - mainMs) * 1000) / all, 1),
    mainBusy: round(total((each) => each.mainBusy) / seen.length, 2),
    tasksPerTransaction: round(all / transactions, 1),
    msPerTransaction: round(transactionMs / transactions, 2),
    inTransaction: round(transactionMs / ms, 2),
  }
}

/** The fastest first. The ratio says how many times as fast ours is. */
export function printThroughput(results: readonly EngineResult[], ours: string): string {
  const base = results.find(({ name }) => name === ours)?.medianRate ?? Number.NaN
  const rows = results
    .toSorted((a, b) => (b.medianRate || 0) - (a.medianRate || 0))
    .map((each) => [
      each.name,
      each.durability,
      each.failure && each.rates.length === 0 ? 'failed' : thousands(each.medianRate),
      each.rates.length === 0
        ? ''
        : `${thousands(Math.min(...each.rates))}–${thousands(Math.max(...each.rates))}`,
      Number.isFinite(base / each.medianRate) ? `${(base / each.medianRate).toFixed(2)}×` : '–',
      `${each.cpuUsPerTask}`,
      `${each.maxRssMb}`,
    ])
  const head = ['engine', 'survives', 'tasks/s', 'least–most', 'ours is', 'CPU µs', 'RSS MiB']
  const failures = results.filter(({ failure }) => failure).map(({ name, failure }) => `${name}: ${failure}`)
  return [table(head, rows), ...failures].join('\n')
}
