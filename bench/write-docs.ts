/** Writes docs/benchmarks.md from what the runs left in bench/results: `node bench/write-docs.ts`. No figure there is written by hand. */
import { writeFileSync } from 'node:fs'
import { queueSection } from './docs/queue.ts'

const text = `# Benchmarks

Made by \`pnpm bench\`, \`pnpm bench --pickup\`, \`pnpm bench --waiting N\` and \`node bench/write-docs.ts\`. Trust the ratios, not the absolutes: all engines of a
table ran in one run on one machine.

${queueSection()}`
writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), text)
