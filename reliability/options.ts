import { parseArgs } from 'node:util'
import type { SuiteOptions } from './suite.ts'
import { SUITES } from './suites.ts'

/** Which suites to run and how, as the command line says. */
export interface Options extends Pick<SuiteOptions, 'seed' | 'size' | 'kills' | 'minutes' | 'dist'> {
  readonly suites: readonly string[]
  /** Keep the report for docs/reliability.md. */
  readonly record: boolean
  /** Leave the suites' files. */
  readonly keep: boolean
}

const HELP = `Tests what the runtime promises, on real processes: node reliability/run.ts [SUITE …]

${Object.entries(SUITES)
  .map(([name, { about }]) => `   ${name.padEnd(16)} ${about.replaceAll('`', '')}`)
  .join('\n')}

   --seed N               the same seed does the same; one that was not given is in the report
   --size ci|release      how much: with every change (the default), or before a release
   --kills N              how often a suite tries: its kills, images, lives
   --minutes N            how long the soak goes on
   --record               keeps the report for docs/reliability.md (node reliability/write-docs.ts)
   --dist DIR             another build of the runtime than packages/runtime/dist
   --keep                 leaves the suites' files and says where

Without a name all suites run. One JSON line per suite on standard output, then N passed, N failed. Exit code 1 on a violation, 2 on a wrong option.
`

/** Prints what is wrong, all of it, or the help, and ends the process; else answers the options. */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    // pnpm passes the `--` on that separates its own options from a script's
    args: args.filter((arg) => arg !== '--'),
    allowPositionals: true,
    strict: false,
    options: {
      seed: { type: 'string' },
      kills: { type: 'string' },
      minutes: { type: 'string' },
      size: { type: 'string' },
      dist: { type: 'string' },
      record: { type: 'boolean' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values['help']) leave(0, HELP)
  const faults = faultsIn(values, positionals)
  if (faults.length > 0) leave(2, `${faults.join('\n')}\n--help lists what there is\n`)
  const numberOf = (name: string) => (values[name] === undefined ? null : Number(values[name]))
  return {
    suites: positionals.length > 0 ? positionals : Object.keys(SUITES),
    seed: numberOf('seed') ?? Date.now() % 1_000_000,
    size: values['size'] === 'release' ? 'release' : 'ci',
    kills: numberOf('kills'),
    minutes: numberOf('minutes'),
    dist: typeof values['dist'] === 'string' ? values['dist'] : null,
    record: values['record'] === true,
    keep: values['keep'] === true,
  }
}

type Given = Readonly<Record<string, unknown>>

const isWhole = (least: number) => (text: unknown) =>
  typeof text === 'string' &&
  /^\d+$/.test(text) &&
  Number(text) >= least &&
  Number.isSafeInteger(Number(text))

const isFlag = (value: unknown) => value === true

/** What each option may be. */
const EXPECTED: Readonly<Record<string, readonly [text: string, isIt: (value: unknown) => boolean]>> = {
  seed: ['a whole number', isWhole(0)],
  kills: ['a whole number above zero', isWhole(1)],
  minutes: ['a number above zero', (text) => typeof text === 'string' && Number(text) > 0],
  size: ['ci or release', (text) => text === 'ci' || text === 'release'],
  dist: ['a folder', (text) => typeof text === 'string' && text !== ''],
  record: ['no value', isFlag],
  keep: ['no value', isFlag],
}

function faultsIn(values: Given, positionals: readonly string[]): string[] {
  const suites = positionals
    .filter((name) => !Object.hasOwn(SUITES, name))
    .map((name) => `expected a suite, got ${name}: there are ${Object.keys(SUITES).join(', ')}`)
  const options = Object.entries(values).flatMap(([name, value]) => {
    const expected = EXPECTED[name]
    if (expected === undefined) return [`expected a known option, got --${name}`]
    const [text, isIt] = expected
    return isIt(value)
      ? []
      : [`--${name}: expected ${text}, got ${value === true ? 'nothing' : String(value)}`]
  })
  return [...suites, ...options]
}

function leave(code: number, text: string): never {
  ;(code === 0 ? process.stdout : process.stderr).write(text)
  process.exit(code)
}
