/** Five times as many submits as the service can run: refused with a time to come again, within bounded memory, and what is accepted is finished. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../lab.ts'
import { kindsOf, submit, withoutRetryAfter, type Submitted } from '../service-load.ts'
import { startService, type Service } from '../service-process.ts'
import { p50AndMax, tryCase, type Suite } from '../suite.ts'
import { waitUntil } from './lease.ts'

const CONCURRENCY = 4
/** What one task takes: the service runs four at a time, so a hundred a second at most. */
const TASK_MS = 40
const TIMES = 5
const MOST_WAITING = 200
const MOST_MIB = 300
const MEASURE_MS = 2000
/** Slots for submits in the clients: more than are ever under way at once in a service that answers. */
const MOST_UNDER_WAY = 500

export const pressure: Suite = async ({ size, lab, note }) => {
  const counts: Record<string, unknown> = {}
  const tried = await tryCase(`${TIMES} times the drain rate`, () =>
    press(lab, size === 'ci' ? 15_000 : 120_000, counts),
  )
  note(`pressure: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
  return { counts, cases: [tried] }
}

async function press(lab: Lab, forMs: number, counts: Record<string, unknown>): Promise<string[]> {
  const service = await startService({
    folder: lab.folder('pressure'),
    config: { limits: { maxWaiting: MOST_WAITING } },
    env: { WORKER_CONCURRENCY: String(CONCURRENCY) },
  })
  try {
    const rate = await measureDrainRate(service)
    const { submits, tookMs, memory } = await offer(service, TIMES * rate, forMs)
    const accepted = submits.flatMap(({ status, id }) => (status === 202 && id !== null ? [id] : []))
    const kinds = kindsOf(submits)
    Object.assign(counts, {
      drained_per_second: Math.round(rate),
      offered_per_second: Math.round(submits.length / (forMs / 1000)),
      answers: kinds,
      answer_ms: p50AndMax(tookMs),
      rss_mib: p50AndMax(memory),
    })
    const wrong = withoutRetryAfter(submits)
    for (const kind of Object.keys(kinds))
      if (!/^(202|429 |503 )/.test(kind)) wrong.push(`P9 ${kinds[kind]} submits were answered ${kind}`)
    if (!submits.some(({ status }) => status === 429))
      wrong.push('nothing was refused: the harness tested nothing')
    const most = Math.max(...memory)
    if (most > MOST_MIB) wrong.push(`P9 the process took ${Math.round(most)} MiB, promised ${MOST_MIB}`)
    wrong.push(...(await allFinished(service, accepted)))
    const { code, signal } = await service.stop()
    if (code !== 0) wrong.push(`it ended with ${code ?? signal}: ${service.errors().slice(-500)}`)
    return wrong
  } finally {
    service.signal('SIGKILL')
    await service.exited
  }
}

/** Tasks that end in a second while the queue is never empty. */
async function measureDrainRate(service: Service): Promise<number> {
  await offer(service, (2 * CONCURRENCY * 1000) / TASK_MS, MEASURE_MS / 2)
  const before = finished(service).size
  await offer(service, (2 * CONCURRENCY * 1000) / TASK_MS, MEASURE_MS)
  return (finished(service).size - before) / (MEASURE_MS / 1000)
}

/** Submits at a steady rate by the clock, whatever the answers are. */
async function offer(service: Service, perSecond: number, forMs: number) {
  const submits: Submitted[] = []
  const tookMs: number[] = []
  const memory: number[] = []
  const underWay = new Set<Promise<void>>()
  const since = performance.now()
  let sent = 0
  const sendOne = async () => {
    const at = performance.now()
    const one = await submit(service, { text: `task ${sent++}`, ms: TASK_MS })
    tookMs.push(performance.now() - at)
    submits.push(one)
  }
  for (let now = 0; now < forMs; now = performance.now() - since) {
    const due = Math.min((now / 1000) * perSecond - sent, MOST_UNDER_WAY - underWay.size)
    for (let n = 0; n < due; n++) {
      const one = sendOne().finally(() => underWay.delete(one))
      underWay.add(one)
    }
    memory.push(rssMib(service.pid))
    await sleep(10)
  }
  await Promise.all(underWay)
  return { submits, tookMs, memory }
}

function rssMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}

/** By the log: each task is told once when it ends. */
function finished(service: Service): ReadonlySet<string> {
  const ends = service.log().filter(({ event, status }) => event === 'task_processed' && status === 'success')
  return new Set(ends.map((line) => String(line['task_id'])))
}

async function allFinished(service: Service, accepted: readonly string[]): Promise<string[]> {
  const unfinished = () => {
    const ends = finished(service)
    return accepted.filter((id) => !ends.has(id))
  }
  await waitUntil(() => unfinished().length === 0, 60_000).catch(() => null)
  const left = unfinished()
  return left.length === 0
    ? []
    : [`P2 ${left.length} of ${accepted.length} accepted tasks did not finish: ${left[0]}`]
}
