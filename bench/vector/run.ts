/**
 * Our vector store and built-in embedder beside their peers, on this machine, in one run: `pnpm --filter @mcp-worker/bench run vector`.
 *
 *   --quick            fewer vectors and rounds: under eight minutes. The whole takes about twenty on two quiet cores.
 *   --parts writes,searches,recall,embedders,task
 *   --engines "mcp-worker,sqlite-vec vec0"      --rounds 3      --seed 1
 *   --profile          leaves a .cpuprofile per measurement under bench/results/profiles
 *
 * Needs the built packages. Writes bench/results/vector.json; parts that were not asked for stay as they are in it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from '../queue/machine.ts'
import { type Parts, PARTS } from './parts.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    parts: { type: 'string', default: Object.keys(PARTS).join(',') },
    engines: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    profile: { type: 'boolean', default: false },
  },
})
const results = fileURLToPath(new URL('../results/', import.meta.url))
mkdirSync(results, { recursive: true })
const file = `${results}vector.json`
const setup = {
  quick: values.quick,
  rounds: values.quick ? 1 : Number(values.rounds),
  seed: Number(values.seed),
  engines: values.engines === '' ? [] : values.engines.split(','),
  profileTo: values.profile ? `${results}profiles` : null,
  say: (line: string) => console.error(line),
}

const machine = describeMachine()
if (machine.loadBefore > machine.cores / 2) {
  setup.say(
    `the machine is busy (load ${machine.loadBefore} on ${machine.cores} cores): rates will be too low, ratios may be off`,
  )
}

const kept: Partial<Parts> = existsSync(file)
  ? (JSON.parse(readFileSync(file, 'utf8')) as { results: Parts }).results
  : {}
for (const name of values.parts.split(',')) {
  if (!isPart(name)) throw new Error(`expected parts of ${Object.keys(PARTS).join(', ')}, got ${name}`)
  const at = new Date().toISOString()
  const from = performance.now()
  const rows = await PARTS[name](setup)
  setup.say(`${name} took ${((performance.now() - from) / 60_000).toFixed(1)} minutes`)
  Object.assign(kept, {
    [name]: { at, machine, quick: setup.quick, rounds: setup.rounds, seed: setup.seed, results: rows },
  })
  writeFileSync(file, `${JSON.stringify({ results: kept }, null, 2)}\n`)
}

function isPart(name: string): name is keyof Parts {
  return name in PARTS
}
