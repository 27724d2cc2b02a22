/** One measurement in a process of its own, so that no engine pays for another's heap. Started by `in-child.ts`; the answer goes over IPC. */
import { setTimeout as pause } from 'node:timers/promises'
import { ENTRIES, LIMIT } from './catalogue.ts'
import { CONCURRENCY, type Engine } from './engine.ts'
import type { Answer, Order } from './in-child.ts'
import { createRandom } from './random.ts'

async function load(name: string): Promise<Engine> {
  const entry = ENTRIES.find((each) => each.name === name)
  if (!entry) throw new Error(`expected an engine of the catalogue, got ${name}`)
  return entry.load()
}

/** 64 submitters in a closed loop; the clock runs from the first submit after the warm-up to the last settled task. */
async function throughput(order: Order): Promise<Answer> {
  if (order.engine === LIMIT.name) {
    const { runLimit, sqliteVersion } = await import('./sqlite-limit.ts')
    if (order.warmup) runLimit(order.folder, 'warmup', order.warmup)
    const ms = runLimit(order.folder, 'limit', order.tasks)
    return { ...usage(), ms, version: sqliteVersion() }
  }
  const engine = await load(order.engine)
  const { url, folder } = order
  await engine.start({ role: 'both', tuneFor: 'rate', url, folder, handled: () => {} })
  const { tasks, warmup = 0 } = order
  await Promise.all([submitAll(engine, 0, warmup), engine.settled(warmup)])
  const before = process.cpuUsage()
  const inside = await lookInside(engine)
  const from = performance.now()
  const all = engine.settled(warmup + tasks)
  await submitAll(engine, warmup, warmup + tasks)
  const acceptedMs = performance.now() - from
  await all
  const ms = performance.now() - from
  const answer = { ...usage(before), ...(await inside()), ms, acceptedMs, version: engine.version }
  await engine.stop()
  return answer
}

async function submitAll(engine: Engine, from: number, to: number): Promise<void> {
  let next = from
  const submitter = async () => {
    while (next < to) await engine.submit(next++)
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, submitter))
}

/** What the time from now until the answer is asked for was spent on. */
async function lookInside(engine: Engine): Promise<() => Promise<Pick<Answer, 'inside'>>> {
  const before = await engine.transactions?.()
  const cpu = process.threadCpuUsage()
  const loop = performance.eventLoopUtilization()
  return async () => {
    const { user, system } = process.threadCpuUsage(cpu)
    const { utilization } = performance.eventLoopUtilization(loop)
    const after = await engine.transactions?.()
    if (!before || !after) return {}
    const [transactions, transactionMs] = [after.count - before.count, after.ms - before.ms]
    return {
      inside: { mainCpuMs: (user + system) / 1000, mainBusy: utilization, transactions, transactionMs },
    }
  }
}

/** Single submits to an idle worker. Times are of CLOCK_MONOTONIC in milliseconds, comparable between processes. */
async function pickup(order: Order): Promise<Answer> {
  const engine = await load(order.engine)
  const times: Required<Pick<Answer, 'called' | 'accepted' | 'handled'>> = {
    called: [],
    accepted: [],
    handled: [],
  }
  let handledOne: (() => void) | null = null
  const handled = (index: number) => {
    times.handled[index] = monotonicMs()
    handledOne?.()
  }
  const { role = 'both', url, folder } = order
  await engine.start({ role, tuneFor: 'latency', url, folder, handled })
  process.send?.({ ready: true })
  if (order.role === 'work') await engine.settled(order.tasks)
  else {
    const random = createRandom(order.seed)
    for (let index = 0; index < order.tasks; index++) {
      const done = new Promise<void>((resolve) => (handledOne = resolve))
      times.called[index] = monotonicMs()
      await engine.submit(index)
      times.accepted[index] = monotonicMs()
      if (order.role !== 'submit') await done
      await pause(5 + random() * 10)
    }
  }
  const answer = { ...usage(), ms: 0, version: engine.version, ...times }
  await engine.stop()
  return answer
}

function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function usage(before: NodeJS.CpuUsage = { user: 0, system: 0 }): { cpuMs: number; maxRssMb: number } {
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1000, maxRssMb: process.resourceUsage().maxRSS / 1024 }
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order
const measure = { throughput, pickup, fill: waiting, backlog: waiting }[order.mode]
const answer = await measure(order)
process.send?.({ answer }, () => process.disconnect())

async function waiting(given: Order): Promise<Answer> {
  const { fill, drainBeside } = await import('./backlog.ts')
  const seen = await (given.mode === 'fill' ? fill(given) : drainBeside(given))
  return { ...usage(), version: '', ...seen }
}
