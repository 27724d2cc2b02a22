import type { DatabaseSync } from 'node:sqlite'
import { crashPoint } from '../crash-point.js'
import { WorkerError } from '../errors.js'

/**
 * The embedded queue's file, version by version. A migration is never edited once released: a new one is added.
 *
 * `tasks` holds what changes at each step, narrow, for SQLite rewrites a whole row at each update; `bodies` what never changes;
 * `reports` what only some tasks have. A task's fence is `<seq>:<deliveries>`: AUTOINCREMENT never uses a seq again, and no
 * delivery number of a task comes twice.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    status TEXT NOT NULL,
    suspect INTEGER NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL,          -- ready_at − priority × 60,000: the order of claims
    ready_at INTEGER NOT NULL,      -- due time while scheduled or retrying
    deliveries INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    releases INTEGER NOT NULL DEFAULT 0,
    snoozes INTEGER NOT NULL DEFAULT 0,
    base_attempts INTEGER NOT NULL DEFAULT 0,  -- as of the last replay: budgets count from here
    base_crashes INTEGER NOT NULL DEFAULT 0,
    owner TEXT,                     -- while running: who, and until when (monotonic ms of the owner's boot)
    lease_until REAL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout_ms INTEGER,
    expires_at INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    failure_reason TEXT,
    error_code TEXT,
    error_message TEXT,
    result TEXT
  ) STRICT;
  CREATE INDEX tasks_ready ON tasks (type, version, rank, seq) WHERE status = 'queued' AND suspect = 0;
  CREATE INDEX tasks_suspect ON tasks (rank, seq) WHERE status = 'queued' AND suspect = 1;
  CREATE INDEX tasks_due ON tasks (ready_at) WHERE status IN ('scheduled', 'retrying');
  CREATE INDEX tasks_expiring ON tasks (expires_at)
    WHERE expires_at IS NOT NULL AND status IN ('scheduled', 'queued');
  CREATE INDEX tasks_running ON tasks (owner) WHERE status = 'running';
  CREATE INDEX tasks_final ON tasks (status, finished_at) WHERE finished_at IS NOT NULL;

  CREATE TABLE bodies (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
  CREATE TABLE reports (
    seq INTEGER PRIMARY KEY, done REAL, total REAL, note TEXT, checkpoint TEXT, log TEXT NOT NULL DEFAULT '[]'
  ) STRICT;
  CREATE TABLE keys (
    scope TEXT NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL,
    id TEXT NOT NULL, hash TEXT NOT NULL, created_at INTEGER NOT NULL, forget_at INTEGER NOT NULL,
    PRIMARY KEY (scope, type, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX keys_forget ON keys (forget_at);
  CREATE TABLE counts (
    type TEXT NOT NULL, version INTEGER NOT NULL, status TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (type, version, status)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE paused (type TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
]

/** "mcpw": marks the file as ours, so that another application's database is never taken for a queue. */
const APPLICATION_ID = 0x6d637077

export type SqliteDurability = 'power' | 'process'

/** Sets what durability depends on and reads each setting back: on every connection, for some are not kept in the file. */
export function setPragmas(db: DatabaseSync, durability: SqliteDurability): void {
  const wanted = [
    ['journal_mode', 'WAL', 'wal'],
    ['synchronous', durability === 'power' ? 'FULL' : 'NORMAL', durability === 'power' ? 2 : 1],
    ['wal_autocheckpoint', '4000', 4000],
    ['journal_size_limit', String(64 * 1024 * 1024), 64 * 1024 * 1024],
    ['cache_size', '-32768', -32768],
    ['foreign_keys', 'OFF', 0],
    ['temp_store', 'MEMORY', 2],
  ] as const
  for (const [name, value, expected] of wanted) {
    db.exec(`PRAGMA ${name} = ${value}`)
    const row = db.prepare(`PRAGMA ${name}`).get() ?? {}
    const got = Object.values(row)[0]
    if (got !== expected) {
      throw new WorkerError(
        'pragma_refused',
        `PRAGMA ${name}: expected ${expected}, SQLite answered ${String(got)}`,
      )
    }
  }
}

/** Brings the file to the newest version under the write lock; several processes may try at once. */
export function migrate(db: DatabaseSync): void {
  if (userVersion(db) === MIGRATIONS.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    refuseForeign(db)
    for (const migration of MIGRATIONS.slice(userVersion(db))) {
      db.exec(migration)
      crashPoint('in_migration')
    }
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

/** Reads only. */
export function refuseForeign(db: DatabaseSync): void {
  const version = userVersion(db)
  if (version > MIGRATIONS.length) {
    throw new WorkerError(
      'store_newer',
      `the queue file has schema version ${version}, this worker knows versions up to ${MIGRATIONS.length}`,
    )
  }
  const id = Number(Object.values(db.prepare('PRAGMA application_id').get() ?? {})[0])
  const tables = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'])
  if (id !== APPLICATION_ID && tables > 0) {
    throw new WorkerError('store_failed', 'the file is a SQLite database, but not a queue of this worker')
  }
}

function userVersion(db: DatabaseSync): number {
  return Number(Object.values(db.prepare('PRAGMA user_version').get() ?? {})[0])
}
