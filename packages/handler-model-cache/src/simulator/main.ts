#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { formatTable, simulate } from './table.js'

/** `model-cache-simulator [--cases 60] [--json]`: how good the choice of what to evict is, beside the exact optimum, LRU and the order of names. */
const { values } = parseArgs({
  options: { cases: { type: 'string', default: '60' }, json: { type: 'boolean', default: false } },
})
const cases = Number(values.cases)
if (!Number.isInteger(cases) || cases < 1 || cases > 10_000) {
  process.stderr.write(`expected --cases from 1 to 10000, got ${values.cases}\n`)
  process.exitCode = 2
} else {
  const rows = simulate(cases)
  process.stdout.write(values.json ? `${JSON.stringify(rows, null, 2)}\n` : formatTable(rows, cases))
}
