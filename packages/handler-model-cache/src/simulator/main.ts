#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { formatTable, simulate } from './table.js'

const HELP = `How good the choice of what to evict is, beside the exact optimum, LRU and the order of names.

  model-cache-simulator [--cases 60] [--from 1] [--json]

  --cases N   so many seeded cases, 1 to 10000
  --from N    the first seed, 1 to 1000000
  --json      the figures as JSON
`

const { values, positionals } = parseArgs({
  strict: false,
  allowPositionals: true,
  options: {
    cases: { type: 'string', default: '60' },
    from: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const { cases, from, json, help, ...unknown } = values
const [count, first] = [Number(cases), Number(from)]
const within = (value: number, most: number) => Number.isInteger(value) && value >= 1 && value <= most
const faults = [
  ...(within(count, 10_000) ? [] : [`expected --cases from 1 to 10000, got ${String(cases)}`]),
  ...(within(first, 1_000_000) ? [] : [`expected --from from 1 to 1000000, got ${String(from)}`]),
  ...[...positionals, ...Object.keys(unknown).map((name) => `--${name}`)].map(
    (what) => `expected --cases, --from, --json or --help, got ${what}`,
  ),
]
if (help === true) process.stdout.write(HELP)
else if (faults.length > 0) {
  process.stderr.write(`${faults.join('\n')}\n`)
  process.exitCode = 2
} else {
  const rows = simulate(count, first)
  process.stdout.write(json === true ? `${JSON.stringify(rows, null, 2)}\n` : formatTable(rows, count, first))
}
