import type { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'

/** "MCVI" in the file's header, so that a foreign SQLite file is not taken for a vector store. */
const APPLICATION_ID = 0x4d435649
/** 1 was never released. */
const SCHEMA_VERSION = 2

/** Documented in docs/store.md, since other programs read it. test/sqlite/store.test.ts keeps the two equal. */
export const SCHEMA = `
CREATE TABLE collections (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  generations INTEGER NOT NULL,
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE generations (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  collection INTEGER NOT NULL REFERENCES collections (key),
  number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('current', 'building', 'waste')),
  embedder TEXT NOT NULL,
  dim INTEGER NOT NULL,
  chunk_size INTEGER,
  chunk_overlap INTEGER,
  documents INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  removals INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (collection, number)
) STRICT;

CREATE UNIQUE INDEX generations_in_use ON generations (collection, state) WHERE state <> 'waste';

CREATE TABLE documents (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  generation INTEGER NOT NULL REFERENCES generations (key),
  id TEXT NOT NULL,
  source_id TEXT,
  version INTEGER,
  revision INTEGER NOT NULL,
  content_hash TEXT NOT NULL,
  joints TEXT,
  chunks INTEGER NOT NULL,
  metadata TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (generation, id)
) STRICT;

CREATE INDEX documents_by_source ON documents (generation, source_id) WHERE source_id IS NOT NULL;

CREATE TABLE chunks (
  key INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL REFERENCES generations (key),
  document INTEGER NOT NULL REFERENCES documents (key),
  ordinal INTEGER NOT NULL,
  text TEXT,
  vector BLOB NOT NULL,
  checksum INTEGER NOT NULL,
  UNIQUE (generation, document, ordinal)
) STRICT;

CREATE TABLE marks (
  task TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

export function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

export function isCurrent(db: DatabaseSync): boolean {
  return pragma(db, 'application_id') === APPLICATION_ID && pragma(db, 'user_version') === SCHEMA_VERSION
}

/** Makes the tables in an empty file; refuses a foreign file and one of another version. Runs in a write transaction. */
export function makeSchema(db: DatabaseSync, path: string): void {
  const version = Number(pragma(db, 'user_version'))
  if (!isEmpty(db)) {
    if (pragma(db, 'application_id') !== APPLICATION_ID) throw foreign(path)
    if (version === SCHEMA_VERSION) return
    throw otherVersion(path, version)
  }
  db.exec(SCHEMA)
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
}

export function isEmpty(db: DatabaseSync): boolean {
  return Number(pragma(db, 'schema_version')) === 0
}

function foreign(path: string): NonRetryableError {
  return new NonRetryableError(
    `${path} is a SQLite file of another program: give the vector store a file of its own`,
    { code: 'STORE_FOREIGN' },
  )
}

function otherVersion(path: string, version: number): NonRetryableError {
  const newer = version > SCHEMA_VERSION
  return new NonRetryableError(
    `${path} was written by ${newer ? 'a newer' : 'an older'} version (schema ${version}, this one knows ${SCHEMA_VERSION}): ` +
      (newer ? 'upgrade this worker' : 'move it away and index again'),
    { code: newer ? 'STORE_NEWER' : 'STORE_OLDER' },
  )
}
