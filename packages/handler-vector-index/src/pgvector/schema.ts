import { NonRetryableError } from '@mcp-worker/runtime'
import { type PgConnection, quoteName, type Sql } from './connection.js'

const SCHEMA_VERSION = 1

/** Documented in docs/engines.md, since other programs read it. test/pgvector/schema.test.ts keeps the two equal. */
export const TABLES = `
CREATE TABLE meta (version integer NOT NULL);

CREATE TABLE names (name text PRIMARY KEY, last_generation integer NOT NULL);

CREATE TABLE collections (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  live boolean NOT NULL DEFAULT true
);

CREATE UNIQUE INDEX collections_by_name ON collections (name) WHERE live;

CREATE TABLE generations (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  collection bigint NOT NULL,
  number integer NOT NULL,
  state text NOT NULL CHECK (state IN ('current', 'building', 'waste')),
  dim integer NOT NULL,
  embedder text NOT NULL,
  chunk json,
  documents bigint NOT NULL DEFAULT 0,
  chunks bigint NOT NULL DEFAULT 0,
  written_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX generations_by_state ON generations (collection, state) WHERE state <> 'waste';

CREATE SEQUENCE revisions;

CREATE TABLE documents (
  key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  collection bigint NOT NULL,
  id text NOT NULL,
  source_id text,
  version bigint,
  revision bigint NOT NULL,
  metadata json NOT NULL,
  facets text[] NOT NULL,
  updated_at timestamptz NOT NULL,
  UNIQUE (collection, id)
);

CREATE INDEX documents_by_source ON documents (collection, source_id) WHERE source_id IS NOT NULL;

CREATE INDEX documents_by_facet ON documents USING gin (facets);

CREATE TABLE contents (
  generation bigint NOT NULL,
  document bigint NOT NULL,
  revision bigint NOT NULL,
  content_hash text NOT NULL,
  joints text,
  chunks integer NOT NULL,
  PRIMARY KEY (generation, document)
);

CREATE TABLE marks (task text PRIMARY KEY, value text NOT NULL, written_at timestamptz NOT NULL);
`

/** Chunks of one generation have a table of their own: it is dropped with the generation, and its index knows the dimension. */
export function chunkTable(generation: number): string {
  return quoteName(`chunks_${generation}`)
}

export function chunkTableSql(generation: number, dim: number): string {
  return `CREATE TABLE ${chunkTable(generation)} (
  document bigint NOT NULL,
  ordinal integer NOT NULL,
  text text,
  embedding vector(${dim}) NOT NULL,
  PRIMARY KEY (document, ordinal)
)`
}

/** Inner product: vectors have unit length, so it is the cosine. */
export function chunkIndexSql(generation: number): string {
  return `CREATE INDEX ON ${chunkTable(generation)} USING hnsw (embedding vector_ip_ops)`
}

/** The extension as it is installed in the database. */
export interface Extension {
  readonly schema: string
  readonly version: string
}

/** Makes what is missing, once, whoever comes first. Throws `STORE_REFUSED`, `STORE_FOREIGN`, `STORE_NEWER`. */
export async function prepareDatabase(connection: PgConnection, schema: string): Promise<Extension> {
  const ready = await connection.read((sql) => inspectDatabase(sql, schema))
  if (ready !== null) return ready
  return connection.write(async (sql) => {
    // two that make the same schema at once would fail with a unique violation in the catalogue
    await sql.run("SELECT pg_advisory_xact_lock(hashtext('mcp-worker vector index'))")
    await sql.run('CREATE EXTENSION IF NOT EXISTS vector')
    const made = await inspectDatabase(sql, schema)
    if (made !== null) return made
    await sql.run(`CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`)
    await sql.run(`SET LOCAL search_path TO ${quoteName(schema)}`)
    for (const statement of TABLES.split(';\n').filter((text) => text.trim() !== '')) await sql.run(statement)
    await sql.run('INSERT INTO meta VALUES ($1)', [SCHEMA_VERSION])
    const extension = await findExtension(sql)
    if (extension === null) throw refused('expected the extension pgvector, got none')
    return extension
  }, undefined)
}

/** null: something is still to be made. */
async function inspectDatabase(sql: Sql, schema: string): Promise<Extension | null> {
  const extension = await findExtension(sql)
  if (extension === null) return null
  const tables = await sql.rows<{ name: string }>(
    'SELECT tablename::text AS name FROM pg_tables WHERE schemaname = $1',
    [schema],
  )
  if (tables.length === 0) return null
  const own = new Set(tables.map(({ name }) => name))
  const version = own.has('meta') && own.has('generations') ? await readVersion(sql, schema) : undefined
  if (version === undefined) {
    throw new NonRetryableError(
      `the schema "${schema}" holds tables of another program: set store.schema to one of the vector index's own`,
      { code: 'STORE_FOREIGN' },
    )
  }
  if (version > SCHEMA_VERSION) {
    throw new NonRetryableError(
      `the schema "${schema}" was written by a newer version (${version}, this one knows ${SCHEMA_VERSION}): upgrade this worker`,
      { code: 'STORE_NEWER' },
    )
  }
  return extension
}

async function readVersion(sql: Sql, schema: string): Promise<number | undefined> {
  const [row] = await sql.rows<{ version: number }>(`SELECT version FROM ${quoteName(schema)}.meta`)
  return row?.version
}

async function findExtension(sql: Sql): Promise<Extension | null> {
  const [found] = await sql.rows<Extension>(
    `SELECT n.nspname::text AS schema, e.extversion AS version
     FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'`,
  )
  return found ?? null
}

/** Iterative scans, which a filtered search by index needs, came with pgvector 0.8. */
export function checkIndexSupport({ version }: Extension): void {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > 0 || minor >= 8) return
  throw refused(
    `expected pgvector 0.8 or newer for index "hnsw", got ${version}: upgrade the extension, or set index to "none"`,
  )
}

function refused(message: string): NonRetryableError {
  return new NonRetryableError(message, { code: 'STORE_REFUSED' })
}
