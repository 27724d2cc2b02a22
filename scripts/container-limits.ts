/**
 * What the image does within limits of memory, with one CPU: how soon it is ready, how long it takes for 300 tasks of 20 short documents and for
 * 24 tasks of almost 1 MiB, and how much memory it holds at most. CHECK=scripts/container-limits.ts bash scripts/container-check.sh runs it in an
 * image of HEAD; with WRITE=1 the table of docs/operating.md is written.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { submitLoad, TASKS, untilAllSucceeded } from './container/load.ts'
import { type Container, createEngine, type Engine, until } from './container/podman.ts'

const CASES = [
  { limitMib: 256, concurrency: 4 },
  { limitMib: 256, concurrency: 1 },
  { limitMib: 512, concurrency: 4 },
  { limitMib: 1_024, concurrency: 4 },
] as const
const LARGE_TASKS = 24
const LARGE_BYTES = 900_000
const WORDS = 'what a worker does while nobody waits for it, and how much memory that takes; '
const DOCS = new URL('../docs/operating.md', import.meta.url)
const TABLE = /(<!-- limits -->\n)[\s\S]*?(<!-- \/limits -->)/

interface Measured {
  readonly limitMib: number
  readonly concurrency: number
  readonly ready: string
  readonly small: string
  readonly large: string
  readonly peak: string
}

const [image] = process.argv.slice(2)
if (image === undefined) throw new Error('expected the name of an image')
// podman's monitor leaves a file `oom` where it was started
const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-limits-'))
process.chdir(folder)
const engine = createEngine(image)
const rows: Measured[] = []
try {
  for (const one of CASES) {
    const row = await measure(engine, one)
    console.log(JSON.stringify(row))
    rows.push(row)
  }
} finally {
  await engine.end()
  rmSync(folder, { recursive: true, force: true })
}
const table = tableOf(rows)
if (process.env['WRITE'] === '1') {
  const text = readFileSync(DOCS, 'utf8')
  if (!TABLE.test(text)) throw new Error('docs/operating.md has no place for the table')
  writeFileSync(DOCS, text.replace(TABLE, `$1${table}$2`))
} else console.log(table)

async function measure(on: Engine, { limitMib, concurrency }: (typeof CASES)[number]): Promise<Measured> {
  const memory = `${limitMib}m`
  const env = { WORKER_CONCURRENCY: String(concurrency) }
  const flags = [`--memory=${memory}`, `--memory-swap=${memory}`, '--cpus=1']
  const container = await on.run({ volume: await on.volume(), env, flags })
  const lap = createLap(container)
  const ready = await lap(() => container.ready())
  const small = await lap(async () => {
    await submitLoad(container, 'small')
    await untilAllSucceeded(container, 'small')
  })
  const large = await lap(() => runLarge(container))
  const row = { limitMib, concurrency, ready, small, large, peak: await peakOf(container) }
  await container.stop(35)
  return row
}

/** Seconds, or what became of it; after a failure nothing more is tried. */
function createLap(container: Container) {
  let failed = false
  return async (work: () => Promise<unknown>): Promise<string> => {
    if (failed) return '–'
    const from = performance.now()
    try {
      await work()
      return `${((performance.now() - from) / 1_000).toFixed(1)} s`
    } catch (error) {
      failed = true
      const message = error instanceof Error ? error.message : String(error)
      const ended = await container.ended().catch(() => null)
      return ended === null ? message.slice(0, 60) : `ended with ${ended}`
    }
  }
}

async function runLarge(container: Container): Promise<void> {
  const text = WORDS.repeat(Math.ceil(2_000 / WORDS.length))
  const documents = Array.from({ length: Math.floor(LARGE_BYTES / text.length) }, (_, i) => ({
    id: `${i}`,
    text,
  }))
  const ids = Array.from({ length: LARGE_TASKS }, (_, i) => `large-${i}`)
  for (const id of ids) {
    const body = { id, type: 'vector_index', payload: { collection: id, documents } }
    const { status } = await container.call('POST', '/tasks', body)
    if (status !== 202) throw new Error(`submit: ${status}`)
  }
  for (const id of ids) {
    await until(`${id} has succeeded`, async () => {
      const { body } = await container.call<{ status: string }>('GET', `/tasks/${id}`)
      if (body.status === 'failed') throw new Error(`${id} failed`)
      return body.status === 'succeeded'
    })
  }
}

/** Resident memory of its largest process, the worker, mapped files included. */
async function peakOf(container: Container): Promise<string> {
  const { code, stdout } = await container.sh('grep -h VmHWM /proc/[0-9]*/status')
  if (code !== 0) return '–'
  const kib = [...stdout.matchAll(/VmHWM:\s+(\d+) kB/g)].map(([, number]) => Number(number))
  return `${Math.round(Math.max(...kib) / 1_024)} MiB`
}

function tableOf(all: readonly Measured[]): string {
  const head = [
    'memory limit',
    '`WORKER_CONCURRENCY`',
    'ready after',
    `${TASKS} tasks of 20 short documents`,
    `${LARGE_TASKS} tasks of 0.9 MB`,
    'most memory held',
  ]
  const lines = all.map(({ limitMib, concurrency, ready, small, large, peak }) => [
    `${limitMib} MiB`,
    String(concurrency),
    ready,
    small,
    large,
    peak,
  ])
  const cpu = cpus()[0]?.model ?? 'an unknown CPU'
  const lined = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  const load = `${cpus().length} CPUs with a load of ${Math.round(loadavg()[1] ?? 0)}, others' work included`
  return `\n${lined}\n\nOne CPU of ${cpu} each, on a machine of ${load}; measured by \`scripts/container-limits.ts\`.\n\n`
}
