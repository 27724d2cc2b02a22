// What a stranger does with the published packages: a durable worker with the three handlers, a task of each.
// Runs in a project of its own, which has them from the registry.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import modelCache from '@mcp-worker/handler-model-cache'
import vectorIndex from '@mcp-worker/handler-vector-index'
import { createLogger, createWorker } from '@mcp-worker/runtime'
import { sqliteQueue } from '@mcp-worker/runtime/sqlite'

const folder = mkdtempSync(join(realpathSync(tmpdir()), 'consumer-'))
const root = join(folder, 'old')
mkdirSync(root)
writeFileSync(join(root, 'stale'), 'x')
utimesSync(join(root, 'stale'), 1_000_000, 1_000_000)
writeFileSync(join(root, 'fresh'), 'x')

const plugins = [
  vectorIndex(),
  modelCache(),
  dataCleanup({ targets: { temp_files: { kind: 'files', root } } }),
]
for (const { name, version, contract } of plugins) {
  const path = fileURLToPath(new URL(`node_modules/${name}/package.json`, import.meta.url))
  const manifest = JSON.parse(readFileSync(path, 'utf8'))
  expectEqual(`${name}: the plugin's version and contract`, [version, contract], [manifest.version, 1])
}

const dataDir = join(folder, 'data')
mkdirSync(dataDir)
const queue = sqliteQueue({ path: join(dataDir, 'queue.db') })
const worker = createWorker({ plugins, queue, dataDir, logger: createLogger({ level: 'warn' }) })
await worker.start()
try {
  const result = async (type, payload) => (await worker.submit(type, payload)).result()
  const { inserted } = await result('vector_index', {
    documents: ['Cats sleep most of the day.', 'Share prices fell sharply on Monday.'],
  })
  const { hits } = await worker.query('vector_search', { text: 'the stock market went down', k: 1 })
  expectEqual('vector_index', [inserted, hits[0]?.text.slice(0, 12)], [2, 'Share prices'])
  const { outcome } = await result('model_cache', { model_id: 'builtin' })
  const { models } = await worker.query('model_cache_status', {})
  // a hit: vector_index took the same embedder from it
  expectEqual('model_cache', [outcome, models[0]?.state], ['hit', 'ready'])
  await result('data_cleanup', { target: 'temp_files', older_than: '24h', basis: 'mtime' })
  expectEqual(
    'data_cleanup',
    ['stale', 'fresh'].map((name) => existsSync(join(root, name))),
    [false, true],
  )
} finally {
  await worker.stop()
  rmSync(folder, { recursive: true })
}
console.log('consumer ok on', process.version)

function expectEqual(what, got, expected) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`)
}
