/** The model test of the queue's contract at the size of a release: random lives of two owners on the embedded queue, held against a pure model. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tryCase, type Suite } from '../suite.ts'

const ROOT = join(import.meta.dirname, '../..')
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs')
const TEST = 'packages/runtime/test/sqlite-queue.built.test.ts'

export const model: Suite = async ({ seed, size, kills, lab, note }) => {
  const runs = kills ?? (size === 'ci' ? 300 : 20_000)
  const tried = await tryCase(`${runs} random lives`, () =>
    play(runs, seed, join(lab.folder('model'), 'report.json')),
  )
  note(`model: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
  return { counts: { lives: runs }, cases: [tried] }
}

/** vitest's own report says that the test was run, and not skipped. */
async function play(runs: number, seed: number, file: string): Promise<string[]> {
  const args = [
    VITEST,
    'run',
    '--project',
    'built',
    TEST,
    '-t',
    'agree with the model',
    '--reporter',
    'json',
    '--outputFile',
    file,
  ]
  const env = { ...process.env, MODEL_RUNS: String(runs), MODEL_SEED: String(seed) }
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  await new Promise((resolve) => child.once('close', resolve))
  const report = reportIn(file)
  if (report === null) return [`vitest did not report: ${(err || out).slice(-1000)}`]
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.flatMap(({ status, failureMessages }) => (status === 'failed' ? failureMessages : [])),
  )
  if (report.numPassedTests + failed.length !== 1)
    return [`expected one test, ${report.numPassedTests} passed: the harness tested nothing`]
  return failed.map((message) => message.slice(0, 4000))
}

interface Report {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly failureMessages: string[] }[]
  }[]
}

function reportIn(file: string): Report | null {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : null
}
