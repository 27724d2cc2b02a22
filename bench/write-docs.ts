/** Writes docs/benchmarks.md, and the figures of the embedder's README, from what the runs left in bench/results: `node bench/write-docs.ts`. No figure there is written by hand. */
import { writeFileSync } from 'node:fs'
import { cleanupSection } from './docs/cleanup.ts'
import { writeEmbedderFigures } from './docs/embedder.ts'
import { modelCacheSection } from './docs/model-cache.ts'
import { modelLoadingSection } from './docs/model-loading.ts'
import { queueSection } from './docs/queue.ts'
import { vectorSection } from './docs/vector.ts'

const text = `# Benchmarks

Made by \`pnpm bench\`, \`pnpm bench --pickup\`, \`pnpm bench --waiting N\`, \`node bench/vector/run.ts\`, \`node bench/model-cache/run.ts\`, \`node bench/model-cache/loading.ts\`, \`node bench/cleanup/run.ts\` and \`node bench/write-docs.ts\`. Trust the ratios, not the absolutes: all engines of a
table ran in one run on one machine.

${queueSection()}
${vectorSection()}
${modelCacheSection()}
${modelLoadingSection()}
${cleanupSection()}`
writeFileSync(new URL('../docs/benchmarks.md', import.meta.url), text)
writeEmbedderFigures()
