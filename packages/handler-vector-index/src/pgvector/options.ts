import { z } from 'zod'

export const pgvectorStoreOptions = z.strictObject({
  engine: z.literal('pgvector').describe('PostgreSQL with the extension pgvector. Needs the package `pg`.'),
  url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected postgres://user:password@host:5432/database')
    .describe('`postgres://user:password@host:5432/database`, with `?sslmode=verify-full` for TLS.'),
  schema: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'expected a lower-case letter or _, then at most 62 of a-z 0-9 _')
    .default('mcp_worker_vectors')
    .describe('The schema for its tables; it is made if it is not there.'),
  index: z
    .enum(['none', 'hnsw'])
    .default('none')
    .describe(
      '`none`: every vector is compared. `hnsw`: an index for generations made from now on answers searches approximately; ' +
        '`verify` samples its recall. At most 2,000 components.',
    ),
  poolSize: z
    .int()
    .min(1)
    .max(100)
    .default(4)
    .describe('Connections at most, of each thread that runs tasks.'),
  connectTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .describe('How long to wait for a connection until the task is retried.'),
  requestTimeoutMs: z
    .int()
    .min(100)
    .max(3_600_000)
    .default(60_000)
    .describe('How long one statement may take until the task is retried.'),
  busyTimeoutMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(30_000)
    .describe('How long a write waits for other writers until the task is retried.'),
})

export type PgvectorStoreOptions = z.output<typeof pgvectorStoreOptions>
export type PgvectorStoreInput = Omit<z.input<typeof pgvectorStoreOptions>, 'engine'>
