import { closeSync, openSync, readFileSync, readSync, readdirSync, fstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Task } from '@mcp-worker/runtime'
import type { Lab } from './lab.ts'
import { linesOf, parseLines } from './json-lines.ts'
import type { LedgerLine } from './ledger.ts'
import type { ProgramConfig } from './program-config.ts'
import { spawnWorker, type Exit, type WorkerProcess } from './worker-process.ts'

/** The end of a process that was killed: until then, at least, it ran. */
export interface Killed {
  readonly pid: number
  readonly at: number
  readonly how: string
}

/** One queue file with its processes, and everything that they wrote down. */
export interface Arena {
  readonly dir: string
  readonly database: string
  spawn(
    name: string,
    config?: Partial<ProgramConfig>,
    environment?: Readonly<Record<string, string>>,
    prefix?: readonly string[],
  ): WorkerProcess
  /** Kills and waits for the end. */
  kill(worker: WorkerProcess): Promise<Killed>
  /** Asks it to stop and waits for the end. */
  stop(worker: WorkerProcess): Promise<Exit>
  /** A worker without load runs what is left; then every task as it ended. Rejects where tasks are left after `withinMs`. */
  drain(
    config?: Partial<ProgramConfig>,
    withinMs?: number,
    environment?: Readonly<Record<string, string>>,
  ): Promise<readonly Task[]>
  readonly kills: readonly Killed[]
  /** All ledger lines so far. */
  ledger(): readonly LedgerLine[]
  /** Resolves with the first ledger line that fits, written already or soon; null after `withinMs`. */
  waitForLine<L extends LedgerLine>(
    fits: (line: LedgerLine) => line is L,
    withinMs: number,
  ): Promise<L | null>
  log(): readonly LogRecord[]
  /** What processes wrote to standard error. */
  errors(): string
  /** Ends what still runs. */
  dispose(): Promise<void>
}

type LogRecord = Readonly<Record<string, unknown>> & { readonly event: string }

const DEFAULTS: Omit<ProgramConfig, 'dir' | 'queueDir' | 'ledger'> = {
  role: 'all',
  concurrency: 4,
  leaseMs: 30_000,
  maxCrashes: 3,
  abortGraceMs: 1000,
  stopTimeoutMs: 5000,
  reserveBytes: 64 * 1024 * 1024,
  durability: 'power',
  keepFinal: null,
  load: null,
  plugins: [],
}

export function createArena(lab: Lab, dir: string, base: Partial<ProgramConfig> = {}): Arena {
  const folders = { ledger: join(dir, 'ledger'), log: join(dir, 'log'), errors: join(dir, 'errors') }
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true })
  const running = new Set<WorkerProcess>()
  const killed: Killed[] = []
  const reader = createReader(folders.ledger)
  const crashLog = join(dir, 'crashes.jsonl')
  let spawned = 0

  const arena: Arena = {
    dir,
    database: join(base.queueDir ?? dir, 'queue.db'),
    spawn(name, config = {}, environment = {}, prefix = []) {
      const unique = `${name}-${++spawned}`
      const ledger = join(folders.ledger, `${unique}.jsonl`)
      const worker = spawnWorker({
        lab,
        name: unique,
        config: { ...DEFAULTS, queueDir: dir, ...base, ...config, dir, ledger },
        log: join(folders.log, `${unique}.jsonl`),
        errors: join(folders.errors, `${unique}.txt`),
        environment: { ...environment, CRASH_LOG: crashLog },
        prefix,
      })
      running.add(worker)
      void worker.exited.then(() => running.delete(worker))
      return worker
    },
    async kill(worker) {
      const at = worker.signal('SIGKILL')
      await worker.exited
      const end = { pid: worker.pid, at, how: 'SIGKILL' }
      killed.push(end)
      return end
    },
    async stop(worker) {
      worker.signal('SIGTERM')
      return worker.exited
    },
    drain: (config = {}, withinMs = 60_000, environment = {}) => drain(arena, config, withinMs, environment),
    get kills() {
      return [
        ...killed,
        ...linesOf<{ pid: number; t: number; point: string }>(crashLog).map(({ pid, t, point }) => ({
          pid,
          at: t,
          how: point,
        })),
      ]
    },
    ledger: () => reader.all(),
    async waitForLine(fits, withinMs) {
      for (const end = performance.now() + withinMs; ;) {
        const found = reader.all().find(fits)
        if (found) return found
        if (performance.now() > end) return null
        await sleep(5)
      }
    },
    log: () => readdirSync(folders.log).flatMap((file) => linesOf<LogRecord>(join(folders.log, file))),
    errors: () =>
      readdirSync(folders.errors)
        .map((file) => readFileSync(join(folders.errors, file), 'utf8'))
        .join(''),
    async dispose() {
      for (const worker of running) worker.signal('SIGKILL')
      await Promise.all([...running].map((worker) => worker.exited))
    },
  }
  return arena
}

async function drain(
  arena: Arena,
  config: Partial<ProgramConfig>,
  withinMs: number,
  environment: Readonly<Record<string, string>>,
): Promise<readonly Task[]> {
  const worker = arena.spawn('drain', { ...config, load: null }, environment)
  if ((await worker.ready) === null)
    throw new Error(
      `the worker did not start: ${JSON.stringify(worker.refusal())} ${arena.errors().slice(-500)}`,
    )
  for (const end = performance.now() + withinMs; ; await sleep(50)) {
    const { byType } = await worker.ask({ ask: 'counts' })
    const left = Object.entries(byType).flatMap(
      ([type, { scheduled = 0, queued = 0, running = 0, retrying = 0 }]) => {
        const open = scheduled + queued + running + retrying
        return open === 0 ? [] : [`${type}: ${JSON.stringify({ scheduled, queued, running, retrying })}`]
      },
    )
    if (left.length === 0) break
    if (performance.now() > end)
      throw new Error(`tasks are left ${withinMs} ms after the last kill: ${left.join(', ')}`)
  }
  const file = join(arena.dir, 'tasks.jsonl')
  await worker.ask({ ask: 'dump', file })
  const { code } = await arena.stop(worker)
  if (code !== 0) throw new Error(`the draining worker ended with ${code}: ${arena.errors().slice(-500)}`)
  return linesOf<Task>(file)
}

/** Reads a folder of growing files, each part once. */
function createReader(folder: string) {
  const offsets = new Map<string, number>()
  const lines: LedgerLine[] = []
  return {
    all(): readonly LedgerLine[] {
      for (const file of readdirSync(folder)) {
        const offset = offsets.get(file) ?? 0
        const text = readFrom(join(folder, file), offset)
        const parsed = parseLines(text)
        offsets.set(file, offset + Buffer.byteLength(text.slice(0, parsed.used)))
        // not spread: those of an hour are more than a call takes
        for (const line of parsed.lines as LedgerLine[]) lines.push(line)
      }
      return lines
    },
  }
}

function readFrom(file: string, offset: number): string {
  const fd = openSync(file, 'r')
  try {
    const buffer = Buffer.alloc(fstatSync(fd).size - offset)
    readSync(fd, buffer, 0, buffer.length, offset)
    return buffer.toString('utf8')
  } finally {
    closeSync(fd)
  }
}
