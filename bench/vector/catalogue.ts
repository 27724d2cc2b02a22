import type { Entry } from './engine.ts'
import type { LanceSettings } from './lancedb.ts'

const lance = (settings: LanceSettings) => () =>
  import('./lancedb.ts').then((module) => module.lanceEngine(settings))
const lanceFile = 'local folder, Arrow columns; it calls no fsync (seen with strace)'

export const OURS = 'mcp-worker'

export const ENTRIES: readonly Entry[] = [
  {
    name: OURS,
    durability: 'power',
    settings:
      'node:sqlite, WAL, synchronous FULL; a batch is looked up, then written in one transaction: a row per document and per vector, with hash, checksum and revision',
    search: 'exact',
    load: () => import('./ours.ts').then((module) => module.ourEngine()),
  },
  {
    name: 'SQLite rows',
    durability: 'power',
    settings:
      'node:sqlite, WAL, synchronous FULL; a table of id and vector, an upsert per row, nothing around it: the limit',
    search: 'none',
    load: () => import('./sqlite-rows.ts').then((module) => module.sqliteRowsEngine()),
  },
  {
    name: 'sqlite-vec vec0',
    durability: 'power',
    settings:
      'node:sqlite, WAL, synchronous FULL; a vec0 table with a text key, INSERT and UPDATE in one transaction per batch',
    search: 'exact',
    load: () => import('./sqlite-vec.ts').then((module) => module.sqliteVecEngine()),
  },
  {
    name: 'LanceDB add',
    durability: 'process',
    settings: `${lanceFile}; \`add\` appends and would keep an id twice; it replaces by \`mergeInsert\``,
    search: 'exact',
    load: lance({ insert: 'add', index: 'none', refine: null }),
  },
  {
    name: 'LanceDB mergeInsert',
    durability: 'process',
    settings: `${lanceFile}; an upsert by id`,
    search: 'none',
    load: lance({ insert: 'mergeInsert', index: 'none', refine: null }),
  },
  {
    name: 'LanceDB HNSW',
    durability: 'process',
    settings: '`Index.hnswSq` and the search with their defaults; built after the last insert',
    search: 'approximate',
    load: lance({ insert: 'add', index: 'hnsw', refine: null }),
  },
  {
    name: 'LanceDB HNSW, refined',
    durability: 'process',
    settings: 'the same with `refineFactor(10)`',
    search: 'approximate',
    load: lance({ insert: 'add', index: 'hnsw', refine: 10 }),
  },
  {
    name: 'LanceDB IVF_PQ, refined',
    durability: 'process',
    settings: '`Index.ivfPq` with its defaults, searched with `refineFactor(10)`',
    search: 'approximate',
    load: lance({ insert: 'add', index: 'ivf-pq', refine: 10 }),
  },
]
