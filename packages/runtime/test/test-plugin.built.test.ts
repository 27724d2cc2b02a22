import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { testPlugin } from '../dist/testing/test-plugin.js'
import good from './fixtures/kit-good.fixture.js'

testPlugin(good({ suffix: '.txt' }), {
  services: { namer: { name: async (index: number) => `file-${index}` } },
  samples: {
    write: {
      payload: { files: 9 },
      older: { 1: { n: 2 } },
      invalid: [{ files: -1 }, {}, null, { files: 1, more: 2 }],
      state: async (context) => context.query('files', {}),
    },
    fan_out: { payload: { parts: 3 }, invalid: [{}] },
  },
  queries: { files: {} },
})

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[]
      readonly title: string
      readonly status: string
    }[]
  }[]
}

/** What failed of a suite that vitest runs by itself, as `type: title`. */
async function failuresOf(suite: string): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-worker-kit-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const outputFile = join(folder, 'report.json')
  const root = fileURLToPath(new URL('./fixtures', import.meta.url))
  const vitest = fileURLToPath(new URL('../vitest.mjs', import.meta.resolve('vitest')))
  const args = [
    vitest,
    'run',
    '--root',
    root,
    '--config',
    'kit-vitest.fixture.ts',
    '--reporter',
    'json',
    '--outputFile',
    outputFile,
  ]
  // exit code 1: tests failed, as they should
  await promisify(execFile)(process.execPath, [...args, suite], { env: withoutVitest() }).catch(() => {})
  const { testResults } = JSON.parse(await readFile(outputFile, 'utf8')) as Report
  return testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ ancestorTitles, title }) => [...ancestorTitles, title].join(': '))
}

function withoutVitest(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')))
}

/** Under the name of the type. */
const stops = (type: string) =>
  ['it is cancelled', 'its time is up', 'the worker shuts down at once'].map(
    (when) => `${type}: stops by itself when ${when}, and goes on when delivered again`,
  )
const DIES =
  'loses_work_between_checkpoints: has the effect of one run when its worker dies between checkpoints'

test('finds each defect of a bad plugin', { timeout: 120_000 }, async () => {
  const expected = [
    'doubles_when_delivered_twice: has the effect of one run when it is delivered twice',
    DIES,
    ...stops('ignores_its_signal'),
    'names_children_at_random: has the effect of one run when it is delivered twice',
    'accepts_anything: refuses what does not fit its payload',
    'migrates_wrongly: migrates and runs version 1 of its payload',
    'no_sample: has a sample',
    'answers the query no_input',
  ].map((title) => `@acme/bad in the host inline: ${title}`)
  // at once, its thread is still being made: the handler has not begun
  const inThread = [DIES, ...stops('ignores_its_signal').filter((title) => !title.includes('at once'))].map(
    (title) => `@acme/bad in the host thread: ${title}`,
  )
  const failures = await failuresOf('kit-bad-suite.fixture.ts')
  expect(failures).toEqual(expect.arrayContaining([...expected, ...inThread]))
  // the two that lose or double their effect may show it in more tests, as the moment of the abort has it
  const others = failures.filter((title) => !expected.includes(title) && !inThread.includes(title))
  expect(others.filter((title) => !/doubles_when|loses_work/.test(title))).toEqual([])
})
