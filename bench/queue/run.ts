import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { describeMachine } from './machine.ts'
import { measurePickup, printPickup } from './pickup.ts'
import { measureThroughput, printThroughput } from './throughput.ts'
import { measureWaiting, printWaiting } from './waiting.ts'

/** Our queue beside its peers, on this machine, in one run: `pnpm bench` at the root. `--help` says the rest. */
const HELP = `Our queue beside its peers, on this machine, in one run.

   --tasks 20000 --warmup 10000 --rounds 3 --seed 1 --engines "mcp-worker,bullmq"     whole cycles a second, 64 submitters and a worker of 64
   --pickup [--samples 2000]        from the submit to the first line of the handler, on an idle worker
   --waiting 1000000                the rate and the worker's memory beside 10,000 and beside a million waiting tasks
   --profile                        leaves a .cpuprofile per engine under bench/results/profiles

 Needs a built runtime, redis-server and PostgreSQL on this machine; starts and stops its own servers. Writes bench/results/*.json.
`

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '20000' },
    warmup: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    engines: { type: 'string', default: '' },
    samples: { type: 'string', default: '2000' },
    waiting: { type: 'string' },
    pickup: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit()
}
const OURS = 'mcp-worker'
const results = fileURLToPath(new URL('../results/', import.meta.url))
mkdirSync(results, { recursive: true })
const say = (line: string) => console.error(line)
const options = {
  tasks: Number(values.tasks),
  warmup: Number(values.warmup),
  rounds: Number(values.rounds),
  seed: Number(values.seed),
  engines: values.engines === '' ? [] : values.engines.split(','),
  profileTo: values.profile ? `${results}profiles` : null,
  say,
}

const machine = describeMachine()
if (machine.loadBefore > machine.cores / 2) {
  say(
    `the machine is busy (load ${machine.loadBefore} on ${machine.cores} cores): rates will be too low, ratios may be off`,
  )
}

function keep(name: string, content: Readonly<Record<string, unknown>>): void {
  const at = new Date().toISOString()
  writeFileSync(`${results}${name}.json`, `${JSON.stringify({ at, machine, ...content }, null, 2)}\n`)
}

if (values.pickup) {
  const samples = Number(values.samples)
  const measured = await measurePickup({ ...options, samples })
  keep('pickup', { samples, seed: options.seed, results: measured })
  console.log(printPickup(measured))
} else if (values.waiting !== undefined) {
  const measured = await measureWaiting({ ...options, levels: [10_000, Number(values.waiting)] })
  keep('waiting', { tasks: options.tasks, seed: options.seed, results: measured })
  console.log(printWaiting(measured))
} else {
  const measured = await measureThroughput(options)
  keep('queue', {
    tasks: options.tasks,
    warmup: options.warmup,
    rounds: options.rounds,
    seed: options.seed,
    results: measured,
  })
  console.log(printThroughput(measured, OURS))
  process.exitCode = measured.some(({ failure }) => failure !== null) ? 1 : 0
}
