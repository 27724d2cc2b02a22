/** The program under test: a worker with the ledger plugin, which submits to itself and answers its parent over IPC. */
import { createWriteStream, writeSync } from 'node:fs'
import { finished } from 'node:stream/promises'
import {
  createLogger,
  createWorker,
  DEFAULT_RETENTION,
  isWorkerError,
  type Plugin,
  type Worker,
} from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'
import { openLedger } from './ledger.ts'
import ledgerPlugin from './ledger-plugin.ts'
import { runLoad, type Client } from './load.ts'
import { monotonicMs } from './monotonic.ts'
import type { FromProgram, ProgramConfig, Question } from './program-config.ts'

const config = JSON.parse(process.env['PROGRAM']!) as ProgramConfig
const ledger = openLedger(config.ledger)
ledger.write({ e: 'boot', pid: process.pid })
/** Longer than any step of the wall clock in the suite `clock`: by a day keys would rightly be forgotten. */
const KEYS_KEPT_MS = 7 * 24 * 3_600_000
const stopped = new AbortController()

async function extraPlugins(): Promise<readonly Plugin[]> {
  const modules = await Promise.all(config.plugins.map((name) => import(`./${name}-plugin.ts`)))
  return modules.map((module: { default: (options: unknown) => Plugin }) =>
    module.default({ ledger: config.ledger }),
  )
}

const keep =
  config.keepFinal === null
    ? {}
    : { retention: { ...DEFAULT_RETENTION, succeeded: { maxAgeMs: 3_600_000, maxCount: config.keepFinal } } }
const worker = createWorker({
  plugins: [ledgerPlugin({ ledger: config.ledger }), ...(await extraPlugins())] as readonly Plugin[],
  queue: sqliteQueue({
    path: `${config.queueDir}/queue.db`,
    reserveBytes: config.reserveBytes,
    durability: config.durability,
  }),
  role: config.role,
  concurrency: config.concurrency,
  abortGrace: config.abortGraceMs,
  dataDir: `${config.dir}/data`,
  limits: { leaseMs: config.leaseMs, maxCrashes: config.maxCrashes, idempotencyTtlMs: KEYS_KEPT_MS },
  ...keep,
  // each line is out before the next thing happens: the lines are evidence
  logger: createLogger({ destination: { write: (line: string) => void writeSync(1, line) } }),
  onFatal: () => process.exit(74),
})
// the types are known only at run time
const client = worker as unknown as Client & Worker

function tell(message: FromProgram): void {
  // the parent may be gone; then so are we
  process.send?.(message, () => {})
}

let canary: NodeJS.Timeout | null = null

/** By the clock, not by the gaps between turns: a slow machine does not thin them out. */
function sendCanaries(everyMs: number): null {
  if (canary) clearInterval(canary)
  if (everyMs === 0) return null
  const since = monotonicMs()
  let sent = 0
  canary = setInterval(() => {
    for (; sent < (monotonicMs() - since) / everyMs; sent++) client.submit('canary', {}).catch(() => {})
  }, everyMs)
  return null
}

async function dump(file: string): Promise<number> {
  const out = createWriteStream(file)
  let count = 0
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Awaited<ReturnType<Worker['list']>> = await worker.list({
      limit: 1000,
      ...(cursor === '' ? {} : { cursor }),
    })
    for (const task of page.tasks) out.write(`${JSON.stringify(task)}\n`)
    count += page.tasks.length
    cursor = page.cursor
  }
  out.end()
  await finished(out)
  return count
}

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'submit': {
      const { id } = await client.submit(question.type, question.payload, question.options)
      const { sum } = question.payload as { readonly sum?: string }
      if (sum !== undefined) await ledger.keep({ e: 'ack', id, sum })
      return { id }
    }
    case 'submitMany':
      return client.submitMany(question.submissions)
    case 'get':
      return worker.get(question.id)
    case 'cancel': {
      ledger.write({ e: 'cancelling', id: question.id })
      const said = await worker.cancel(question.id)
      await ledger.keep({ e: 'cancel', id: question.id, answer: said })
      return said
    }
    case 'counts':
      return worker.counts()
    case 'dump':
      return dump(question.file)
    case 'canary':
      return sendCanaries(question.everyMs)
    case 'rss':
      return process.memoryUsage.rss()
  }
}

process.on('message', (message: Question & { readonly ref: number }) => {
  answer(message).then(
    (value) => tell({ told: 'answer', ref: message.ref, value }),
    (error: unknown) =>
      tell({
        told: 'error',
        ref: message.ref,
        code: isWorkerError(error) ? error.code : 'unknown',
        message: String(error),
      }),
  )
})
process.on('disconnect', () => process.exit(1))
process.on('SIGTERM', () => {
  stopped.abort()
  sendCanaries(0)
  void worker
    .stop({ timeoutMs: config.stopTimeoutMs })
    .then((outcome) => process.exit(outcome === 'forced' ? 70 : 0))
})

try {
  await worker.start()
} catch (error) {
  writeSync(2, `${String(error)}\n`)
  tell({ told: 'refused', code: isWorkerError(error) ? error.code : 'unknown', message: String(error) })
  process.exit(isWorkerError(error) && error.code === 'store_failed' ? 74 : 78)
}
tell({ told: 'ready', t: monotonicMs() })
if (config.load) await runLoad(client, ledger, config.load, stopped.signal)
