import { type Server, startPostgres, startRedis } from '@mcp-worker/test-servers'
import type { Durability, Engine } from './engine.ts'

/** An engine of the comparison, with how it was set up. */
export interface Entry {
  readonly name: string
  readonly durability: Durability
  /** The fastest settings that its documentation recommends for this load. */
  readonly settings: string
  readonly server: (() => Promise<Server>) | null
  readonly load: () => Promise<Engine>
}

const bullmq = () => import('./bullmq.ts').then((module) => module.bullmqEngine())
const bullmqSettings = 'concurrency 64, removeOnComplete and removeOnFail true'

export const ENTRIES: readonly Entry[] = [
  {
    name: 'mcp-worker',
    durability: 'power',
    settings: 'SQLite WAL, synchronous FULL; validation, hash, metrics, a log line per task to a file',
    server: null,
    load: () => import('./ours.ts').then((module) => module.ourEngine('power')),
  },
  {
    name: 'mcp-worker (process)',
    durability: 'process',
    settings: 'the same with durability: process (synchronous NORMAL)',
    server: null,
    load: () => import('./ours.ts').then((module) => module.ourEngine('process')),
  },
  {
    name: 'bullmq',
    durability: 'none',
    settings: `${bullmqSettings}; Redis without persistence`,
    server: () => startRedis('none'),
    load: bullmq,
  },
  {
    name: 'bullmq (AOF everysec)',
    durability: 'process',
    settings: `${bullmqSettings}; Redis appendfsync everysec`,
    server: () => startRedis('everysec'),
    load: bullmq,
  },
  {
    name: 'bullmq (AOF always)',
    durability: 'power',
    settings: `${bullmqSettings}; Redis appendfsync always`,
    server: () => startRedis('always'),
    load: bullmq,
  },
  {
    name: 'bee-queue',
    durability: 'none',
    settings:
      'concurrency 64, removeOnSuccess, no events, no job map, no delayed jobs; Redis without persistence',
    server: () => startRedis('none'),
    load: () => import('./bee-queue.ts').then((module) => module.beeQueueEngine()),
  },
  {
    name: 'graphile-worker',
    durability: 'power',
    settings: 'concurrentJobs 64, localQueue 500, batched completion (0 ms), no log; default PostgreSQL',
    server: () => startPostgres({ durable: true }),
    load: () => import('./graphile-worker.ts').then((module) => module.graphileEngine()),
  },
  {
    name: 'pg-boss',
    durability: 'power',
    settings:
      'batches of 64 in bursts, 64 connections, no supervision, LISTEN/NOTIFY only for latency; default PostgreSQL',
    server: () => startPostgres({ durable: true }),
    load: () => import('./pg-boss.ts').then((module) => module.pgBossEngine()),
  },
  {
    name: 'plainjob',
    durability: 'process',
    settings:
      'better-sqlite3, its own WAL and synchronous NORMAL; one task at a time (it has no concurrency)',
    server: null,
    load: () => import('./plainjob.ts').then((module) => module.plainjobEngine()),
  },
]

export const LIMIT = {
  name: 'SQLite itself',
  durability: 'power',
  settings:
    'node:sqlite, insert, claim and complete in transactions of 100, WAL, synchronous FULL; no queue around it',
} as const
