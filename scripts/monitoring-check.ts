/**
 * Whether dashboard and alerts ask for what workers really have: two workers on one queue under mixed load, a Prometheus beside them, and every
 * query of the dashboard asked through its HTTP API. An empty answer, or one without a number, fails. `--picture FILE` draws what was seen.
 * Needs built packages, and prometheus in the PATH (scripts/monitoring-check.sh brings it).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { queryText, ROWS } from './monitoring/panels.ts'
import { drawPicture } from './monitoring/picture.ts'
import { startWorker, type RunningWorker, type Started } from './monitoring/processes.ts'
import { type Prometheus, startPrometheus } from './monitoring/prometheus.ts'

const LOAD_MS = 25_000
const EVERY_MS = 500
const WINDOW = '15s'

const [flag, pictureFile] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-monitoring-'))
const dataDir = join(folder, 'data')
const started: Started[] = []
try {
  await leaveUnroutable()
  const first = await keep(startWorker(dataDir, configWith('work', 'fragile')))
  const second = await keep(startWorker(dataDir, configWith('work', 'fragile')))
  const prometheus = await keep(startPrometheus(folder, [first.metricsPort, second.metricsPort]))
  await load([first, second])
  const samples = await checkPanels(prometheus)
  await checkAlerts(prometheus)
  if (flag === '--picture' && pictureFile !== undefined)
    writeFileSync(pictureFile, await drawPicture(prometheus))
  const panels = ROWS.flatMap((row) => row.panels)
  const queries = panels.flatMap((panel) => panel.queries).length
  console.log(`monitoring ok: ${panels.length} panels, ${queries} queries, ${samples} samples`)
} finally {
  for (const one of started.toReversed()) await one.stop()
  rmSync(folder, { recursive: true, force: true })
}

async function keep<T extends Started>(starting: Promise<T>): Promise<T> {
  const one = await starting
  started.push(one)
  return one
}

function configWith(...plugins: readonly ('work' | 'fragile' | 'ghost')[]): string {
  const fixtures = {
    work: new URL('../apps/worker/test/fixtures/monitoring/work.ts', import.meta.url),
    fragile: new URL('../apps/worker/test/fixtures/monitoring/fragile.ts', import.meta.url),
    ghost: new URL('../apps/worker/test/fixtures/monitoring/ghost.ts', import.meta.url),
  }
  const file = join(folder, `${plugins.join('-')}.config.json`)
  // shorter than the deaf handler takes: it is given up
  const abortGrace = '1s'
  const schedules = plugins.includes('work')
    ? [{ name: 'beat', type: 'quick', payload: {}, every: '5s', missed: 'none' }]
    : []
  const packages = plugins.map((name) => ({ package: fixtures[name].href }))
  writeFileSync(file, JSON.stringify({ plugins: packages, schedules, abortGrace }))
  return file
}

/** Tasks of a plugin that the next workers do not have. */
async function leaveUnroutable(): Promise<void> {
  const worker = await keep(startWorker(dataDir, configWith('ghost')))
  await worker.submit(Array.from({ length: 3 }, () => ({ type: 'ghost', payload: {}, delay: 3_600 })))
  await worker.stop()
}

function many(type: string, count: number): readonly object[] {
  return Array.from({ length: count }, () => ({ type, payload: {} }))
}

/** More than the slots can do at once, so that tasks wait; a crash now and then. */
async function load(workers: readonly RunningWorker[]): Promise<void> {
  const until = performance.now() + LOAD_MS
  for (let round = 0; performance.now() < until; round++) {
    const worker = workers[round % workers.length]
    await worker?.submit([
      ...many('quick', 30),
      ...many('slow', 15),
      ...many('fails_once', 3),
      ...many('broken', 1),
      ...many('deaf', 1),
      ...many('crash', round % 8 === 0 ? 1 : 0),
    ])
    await sleep(EVERY_MS)
  }
}

async function checkPanels(prometheus: Prometheus): Promise<number> {
  const empty: string[] = []
  let samples = 0
  for (const { panels } of ROWS) {
    for (const { title, queries } of panels) {
      for (const { expr, legend } of queries) {
        const found = await prometheus.query(queryText(expr, WINDOW))
        const numbers = found.filter(({ value }) => Number.isFinite(Number(value[1])))
        samples += numbers.length
        if (numbers.length === 0) empty.push(`${title}, ${legend}: ${expr}`)
      }
    }
  }
  if (empty.length > 0) throw new Error(`panels without data:\n${empty.join('\n')}`)
  return samples
}

/** Prometheus has evaluated each alert, and each metric that one names exists. */
async function checkAlerts(prometheus: Prometheus): Promise<void> {
  const faults: string[] = []
  for (const { name, health, query } of await prometheus.rules()) {
    if (health !== 'ok') faults.push(`${name}: ${health}`)
    for (const [metric] of query.matchAll(/\b(?:mcp_worker|process|nodejs)_\w+/g)) {
      if ((await prometheus.query(metric)).length === 0) faults.push(`${name}: no worker has ${metric}`)
    }
  }
  if (faults.length > 0) throw new Error(`alerts:\n${faults.join('\n')}`)
}
