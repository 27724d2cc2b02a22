import type { DatabaseSync } from 'node:sqlite'
import { NonRetryableError } from '@mcp-worker/runtime'

/** "MCVI" in the file's header, so that a foreign SQLite file is not taken for a vector store. */
const APPLICATION_ID = 0x4d435649
const SCHEMA_VERSION = 1

/** Documented in docs/store.md, since other programs read it. test/sqlite-schema.test.ts keeps the two equal. */
export const SCHEMA = `
CREATE TABLE collections (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  dim INTEGER NOT NULL,
  embedder TEXT NOT NULL,
  generation INTEGER NOT NULL,
  documents INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  removals INTEGER NOT NULL
) STRICT;

CREATE TABLE documents (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  collection INTEGER NOT NULL REFERENCES collections (key),
  id TEXT NOT NULL,
  source_id TEXT,
  version INTEGER,
  revision INTEGER NOT NULL,
  content_hash TEXT NOT NULL,
  metadata TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (collection, id)
) STRICT;

CREATE INDEX documents_by_source ON documents (collection, source_id) WHERE source_id IS NOT NULL;

CREATE TABLE chunks (
  key INTEGER PRIMARY KEY,
  collection INTEGER NOT NULL REFERENCES collections (key),
  generation INTEGER NOT NULL,
  document INTEGER NOT NULL REFERENCES documents (key),
  ordinal INTEGER NOT NULL,
  text TEXT,
  vector BLOB NOT NULL,
  UNIQUE (collection, generation, document, ordinal)
) STRICT;
`

export function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

export function isCurrent(db: DatabaseSync): boolean {
  return pragma(db, 'application_id') === APPLICATION_ID && pragma(db, 'user_version') === SCHEMA_VERSION
}

/** Makes the tables in an empty file; refuses a foreign file and one of a newer version. Runs in a write transaction. */
export function migrate(db: DatabaseSync, path: string): void {
  const version = Number(pragma(db, 'user_version'))
  const application = Number(pragma(db, 'application_id'))
  if (application !== APPLICATION_ID && !isEmpty(db)) {
    throw new NonRetryableError(
      `${path} is a SQLite file of another program: give the vector store a file of its own`,
      {
        code: 'STORE_FOREIGN',
      },
    )
  }
  if (version > SCHEMA_VERSION) {
    throw new NonRetryableError(
      `${path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION}): upgrade this worker`,
      { code: 'STORE_NEWER' },
    )
  }
  if (version === SCHEMA_VERSION) return
  db.exec(SCHEMA)
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
}

export function isEmpty(db: DatabaseSync): boolean {
  return Number(pragma(db, 'schema_version')) === 0
}
