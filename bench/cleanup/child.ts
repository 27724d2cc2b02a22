/**
 * A process that deletes one folder's files with one engine, and prints `{ seconds, maxRssMb, idleRssMb, lagP99Ms, deleted }`. Arguments: the engine
 * (`engine`, `inline`, `thread`, `rimraf`), the folder.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { percentile } from '../queue/machine.ts'

const [engine = '', folder = ''] = process.argv.slice(2)
const EVERY_MS = 2

/** How late a timer of this loop is, in milliseconds. */
function watchLoop(): () => number {
  const late: number[] = []
  let lastAt = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    late.push(Math.max(0, now - lastAt - EVERY_MS))
    lastAt = now
  }, EVERY_MS)
  return () => {
    clearInterval(timer)
    return percentile(late, 0.99)
  }
}

interface Prepared {
  readonly work: () => Promise<number>
  readonly end: () => Promise<void>
}

async function prepareRimraf(): Promise<Prepared> {
  const { rimraf } = await import('rimraf')
  const work = async () => {
    // the folder itself stays, as with the others
    for (const name of await readdir(folder)) await rimraf(join(folder, name))
    return 0
  }
  return { work, end: async () => {} }
}

const payload = { target: 'bench', older_than: '1h', basis: 'mtime' } as const

function ignore(): void {}

function notHere(): never {
  throw new Error('not here')
}

function files(root: string) {
  return { kind: 'files' as const, root }
}

/** The plugin without a worker around it. */
async function prepareEngine(dataDir: string): Promise<Prepared> {
  const log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
  const metrics = {
    counter: () => ({ inc: ignore }),
    gauge: () => ({ set: ignore }),
    histogram: () => ({ observe: ignore }),
  }
  const plugin = dataCleanup({ targets: { bench: { kind: 'files', root: folder } } })
  const { signal } = new AbortController()
  const options = plugin.optionsSchema.parse(plugin.givenOptions)
  const deps = await plugin.setup({ options, services: {}, log, metrics, dataDir, signal })
  const [handler] = plugin.handlers
  const context = {
    payload: handler.payload.parse(payload),
    deps,
    services: {},
    task: {
      id: 't',
      type: 'data_cleanup',
      version: 1,
      attempt: 1,
      delivery: 1,
      deadline: Date.now() + 3_600_000,
    },
    signal,
    log,
    metrics,
    progress: ignore,
    checkpoint: { get: () => null, set: async () => {} },
    submit: notHere,
    snooze: notHere,
  }
  return {
    work: async () => ((await handler.spec.run(context)) as { deleted: number }).deleted,
    end: async () => {},
  }
}

async function prepareWorker(dataDir: string): Promise<Prepared> {
  const { createLogger, createWorker, memoryQueue } = await import('@mcp-worker/runtime')
  const empty = join(dataDir, 'empty')
  mkdirSync(empty)
  const worker = createWorker({
    plugins: [dataCleanup({ targets: { bench: files(folder), empty: files(empty) } })],
    queue: memoryQueue(),
    dataDir: join(dataDir, 'data'),
    hosts: { '@mcp-worker/handler-data-cleanup': engine === 'inline' ? 'inline' : 'thread' },
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  const clean = async (target: string) => {
    const task = await worker.submit('data_cleanup', { ...payload, target }, { timeout: '30m' })
    return (await task.result()).deleted
  }
  // the thread is there, its code is loaded: as in a worker that has run for a while
  await clean('empty')
  return { work: () => clean('bench'), end: async () => void (await worker.stop()) }
}

const dataDir = mkdtempSync(join(tmpdir(), 'mcp-worker-cleanup-'))
const prepared =
  engine === 'rimraf'
    ? prepareRimraf()
    : engine === 'engine'
      ? prepareEngine(dataDir)
      : prepareWorker(dataDir)
const { work, end } = await prepared
const idleRssMb = Math.round(process.resourceUsage().maxRSS / 1024)
const lag = watchLoop()
const from = performance.now()
const deleted = await work()
const seconds = (performance.now() - from) / 1000
const lagP99Ms = lag()
await end()
rmSync(dataDir, { recursive: true })
const maxRssMb = Math.round(process.resourceUsage().maxRSS / 1024)
process.stdout.write(`${JSON.stringify({ seconds, maxRssMb, idleRssMb, lagP99Ms, deleted })}\n`)
