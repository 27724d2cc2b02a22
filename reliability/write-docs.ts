/** Writes docs/reliability.md from what the suites left in reliability/results (`pnpm reliability … --record`): `node reliability/write-docs.ts`. No figure there is written by hand. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SUITES } from './suites.ts'

interface Report {
  readonly suite: string
  readonly seed: number
  readonly size: string
  readonly passed: number
  readonly failed: number
  readonly counts: Readonly<Record<string, unknown>>
  readonly seconds: number
  readonly at: string
  readonly machine: { readonly cores: number }
  readonly versions: Readonly<Record<string, string>>
}

interface Promised {
  readonly name: string
  readonly sentence: string
  readonly suites: readonly string[]
  /** How it is told that it held. */
  readonly oracle: string
}

// prettier-ignore
const PROMISES: readonly Promised[] = [
  { name: 'P1', sentence: 'A submit answered 202 is in the store: it survives a process kill, and a power cut with full durability.', suites: ['kill', 'power', 'faults', 'service-faults'], oracle: 'every acknowledged id is there after recovery, its payload unchanged' },
  { name: 'P2', sentence: 'Each such task ends in exactly one final state.', suites: ['kill', 'input', 'pressure', 'model'], oracle: 'after a drain no task is outside one; one final log line per id' },
  { name: 'P3', sentence: 'It starts at least once (unless cancelled, expired or invalid before), and at most as often as its budgets allow.', suites: ['kill', 'recovery', 'model'], oracle: 'start lines per id in an fsynced ledger against the counters' },
  { name: 'P4', sentence: 'While a lease is held nobody else runs the task; once it is lost the late finisher writes nothing.', suites: ['lease', 'clock', 'spin'], oracle: 'no overlap of two runs by monotonic time; late settles are refused and counted' },
  { name: 'P5', sentence: 'A result is stored if and only if the task succeeded, byte for byte what the handler returned.', suites: ['kill', 'lease'], oracle: 'hash of what was returned against what is stored' },
  { name: 'P6', sentence: 'An idempotency key: equal submits at once are one task; another payload is a conflict.', suites: ['kill', 'service-faults'], oracle: 'tasks per key' },
  { name: 'P7', sentence: 'A cancelled task never starts afterwards; a running one sees its signal and is stopped within the grace.', suites: ['kill', 'model'], oracle: 'start lines after the acknowledged cancel' },
  { name: 'P8', sentence: 'SIGTERM: it stops claiming, finishes or hands back, and ends in time; no attempt is charged.', suites: ['shutdown'], oracle: 'time to the end, exit code, counters' },
  { name: 'P9', sentence: 'Memory and latency stay bounded under a full queue: 429 or 503 with `Retry-After`, 507 on a full disk, never an out-of-memory.', suites: ['pressure', 'faults', 'service-faults', 'soak'], oracle: 'resident memory, status codes, accepted = finished' },
  { name: 'P10', sentence: 'One bad task does not stop the others, whatever a handler does.', suites: ['handlers', 'spin', 'input'], oracle: 'a stream of canaries keeps 90 % of its rate; the exact reason of each bad task' },
]

const HERE = fileURLToPath(new URL('.', import.meta.url))
const PAGE = join(HERE, '../docs/reliability.md')

function reportOf(suite: string): Report | null {
  const file = join(HERE, 'results', `${suite}.json`)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Report) : null
}

/** Numbers, and small records of them: what fits into a cell. */
function figuresOf(counts: Readonly<Record<string, unknown>>): string {
  return Object.entries(counts)
    .flatMap(([name, value]) => {
      const text = textOf(value)
      return text === null ? [] : [`${name.replaceAll('_', ' ')} ${text}`]
    })
    .join('; ')
}

function textOf(value: unknown): string | null {
  if (typeof value === 'number') return value.toLocaleString('en')
  if (Array.isArray(value))
    return value.length > 0 && value.every((one) => typeof one === 'number') ? value.join(' → ') : null
  if (typeof value !== 'object' || value === null) return null
  const inner = Object.entries(value).flatMap(([name, one]) => {
    if (typeof one === 'string') return []
    const text = textOf(one)
    return text === null ? [] : [`${name.replaceAll('_', ' ')} ${text}`]
  })
  return inner.length === 0 ? null : `(${inner.join(', ')})`
}

const row = (...cells: readonly string[]) => `| ${cells.join(' | ')} |`

function runRow(suite: string, what: string): string {
  const report = reportOf(suite)
  if (report === null) return row(`\`${suite}\``, what, 'not recorded yet', '')
  const { passed, failed, size, seed, seconds, at, counts, versions } = report
  const run = `${at}, ${size} size, seed ${seed}, ${seconds} s, Node ${versions['node']}, SQLite ${versions['sqlite']}: ${passed} ${passed === 1 ? 'case' : 'cases'} passed, ${failed} failed`
  return row(`\`${suite}\``, what, run, figuresOf(counts))
}

const promises = PROMISES.map(({ name, sentence, suites, oracle }) =>
  row(name, sentence, oracle, `\`pnpm reliability ${suites.join(' ')}\``),
)
const runs = Object.entries(SUITES).map(([name, { about }]) => runRow(name, about))

writeFileSync(
  PAGE,
  `# What we promise, and how it is shown

Each promise has a command that tests it. The suites start real workers, and the deployed service, as processes of their own, do to them what happens in
production, and hold what the processes wrote down against what the queue says afterwards.

| | promise | it held if | tested by |
| --- | --- | --- | --- |
${promises.join('\n')}

A suite prints one JSON line with its seed, its counts and the versions; a failing case says how to repeat it. \`--size release\` is what runs before a
release, the default is what runs with every change. \`strace\` and \`libfaketime\` are needed (Debian: \`bash scripts/install-ci-packages.sh\`); disks are filled
as root only.

## The last runs

Written by the suites (\`pnpm reliability SUITE --record\`, then \`node reliability/write-docs.ts\`), not by hand.

| suite | what it does | run | figures |
| --- | --- | --- | --- |
${runs.join('\n')}

## Would it show?

A suite that cannot fail shows nothing. \`pnpm reliability mutants\` breaks the runtime in one place at a time (a fence, an fsync, a renewal, a charge, the clock
of the leases), and the suite that stands for it must turn red for that reason. \`power\` carries controls of its own: with \`durability: 'process'\` it must find work lost, on a
disk that ignores syncs it must find damage. Others refuse to pass where what they set up did not happen: no call was made to fail, the clock did not step, nothing was
refused.

## What is not promised

- With \`durability: 'process'\` a power cut may cost the last moments; nothing is damaged (\`power\`, the row of figures above).
- A disk that acknowledges a sync and does not do it loses what it promised, and may damage the file.
- After an I/O error of the store the process ends with 74. Submits under way are answered 503 with the id to send them again with: they may have been stored.
- An inline handler that blocks the event loop takes its process with it; only hosted ones are bounded in all cases.
- Delays go by the wall clock: where it steps, they end earlier or later. Leases and time limits do not.
`,
)
execFileSync(join(HERE, '../node_modules/.bin/oxfmt'), [PAGE, join(HERE, 'results')], { stdio: 'ignore' })
