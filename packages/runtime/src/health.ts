import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import type { PluginHost } from './host/host.js'
import type { QueueDriver } from './queue.js'
import { toTaskError } from './task-error.js'

export interface ServiceCheck {
  readonly name: string
  readonly url: string
}

export interface HealthCheckResult {
  readonly name: string
  readonly ok: boolean
  readonly detail: Readonly<Record<string, unknown>>
}

export interface HealthReport {
  readonly ok: boolean
  /** Milliseconds since the epoch. */
  readonly checkedAt: number
  readonly checks: readonly HealthCheckResult[]
}

/** A check that takes longer has failed. */
const CHECK_TIMEOUT_MS = 5000
const LEAST_FREE_DISK_BYTES = 64 * 1024 * 1024
const MOST_MEMORY_SHARE = 0.95
const MOST_LOOP_LAG_MS = 1000

export interface HealthSurroundings {
  readonly queue: Pick<QueueDriver, 'counts' | 'pause' | 'resume'>
  readonly plugins: readonly { readonly name: string; readonly host: PluginHost }[]
  readonly services: readonly ServiceCheck[]
  readonly dataDir: string
  /** 99th percentile of the main loop's delay since the last look, in milliseconds. */
  readonly loopLagMs: () => number
}

type Check = readonly [name: string, run: (signal: AbortSignal) => Promise<Record<string, unknown>>]

/** Asks everything at once, each with a deadline. Never rejects. */
export async function checkHealth(around: HealthSurroundings): Promise<HealthReport> {
  const checks = await Promise.all(allChecks(around).map(runCheck))
  return { ok: checks.every((check) => check.ok), checkedAt: Date.now(), checks }
}

function allChecks(around: HealthSurroundings): Check[] {
  return [
    ['store', () => storeCheck(around.queue)],
    [
      'event_loop',
      async () =>
        demand({ lag_ms: around.loopLagMs() }, around.loopLagMs() < MOST_LOOP_LAG_MS, 'the main loop lags'),
    ],
    ['memory', async () => memoryCheck()],
    ['disk_data', () => diskCheck(around.dataDir)],
    ['disk_temp', () => diskCheck(tmpdir())],
    ...around.plugins.map(({ name, host }): Check => [
      `plugin:${name}`,
      (signal) => host.health(signal).then(() => ({})),
    ]),
    ...around.services.map((service): Check => [
      `service:${service.name}`,
      (signal) => serviceCheck(service, signal),
    ]),
  ]
}

async function runCheck([name, run]: Check): Promise<HealthCheckResult> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS)
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), {
      once: true,
    })
  })
  try {
    return { name, ok: true, detail: await Promise.race([run(signal), late]) }
  } catch (error) {
    const facts = error instanceof Unwell ? error.facts : {}
    return {
      name,
      ok: false,
      detail: { ...facts, error: toTaskError(error, 'service_unavailable').message },
    }
  }
}

class Unwell extends Error {
  readonly facts: Record<string, unknown>
  constructor(message: string, facts: Record<string, unknown>) {
    super(message)
    this.facts = facts
  }
}

function demand(facts: Record<string, unknown>, ok: boolean, message: string): Record<string, unknown> {
  if (!ok) throw new Unwell(message, facts)
  return facts
}

/** No type is spelt like this: to resume it is a transaction that changes nothing. */
const NO_TYPE = 'STORE CHECK'

/** Reads the counts, and writes. */
async function storeCheck(queue: HealthSurroundings['queue']): Promise<Record<string, unknown>> {
  const startedAt = performance.now()
  await queue.resume(NO_TYPE)
  const counts = await queue.counts()
  const statuses = Object.values(counts.byType)
  const queued = statuses.reduce((sum, of) => sum + (of.queued ?? 0), 0)
  const oldest = counts.oldestReadyAt
  return {
    answer_ms: Math.round(performance.now() - startedAt),
    queued,
    oldest_ready_seconds: oldest === null ? 0 : Math.max(0, (Date.now() - oldest) / 1000),
  }
}

function memoryCheck(): Record<string, unknown> {
  const limit = memoryLimitBytes()
  const rss = process.memoryUsage.rss()
  return demand(
    { rss_bytes: rss, limit_bytes: limit, cores: availableParallelism() },
    rss < limit * MOST_MEMORY_SHARE,
    'memory is nearly used up: lower WORKER_CONCURRENCY or raise the limit',
  )
}

/** The container's limit (cgroup v2, then v1), else the machine's memory. */
function memoryLimitBytes(): number {
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const limit = Number(readFileSync(file, 'utf8'))
      if (Number.isFinite(limit) && limit < totalmem()) return limit
    } catch {
      // not this version of cgroups
    }
  }
  return totalmem()
}

async function diskCheck(directory: string): Promise<Record<string, unknown>> {
  const { bavail, bsize } = await statfs(directory)
  const free = bavail * bsize
  return demand({ directory, free_bytes: free }, free >= LEAST_FREE_DISK_BYTES, 'the disk is nearly full')
}

async function serviceCheck({ url }: ServiceCheck, signal: AbortSignal): Promise<Record<string, unknown>> {
  const { protocol, hostname, port } = new URL(url)
  if (protocol === 'tcp:') return tcpCheck(hostname.replaceAll(/^\[|\]$/g, ''), Number(port), signal)
  const response = await fetch(url, { signal, redirect: 'manual' })
  await response.body?.cancel()
  return demand({ status: response.status }, response.status < 500, `answered ${response.status}`)
}

function tcpCheck(host: string, port: number, signal: AbortSignal): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal }, () => {
      socket.destroy()
      resolve({ connected: true })
    })
    socket.on('error', reject)
  })
}
