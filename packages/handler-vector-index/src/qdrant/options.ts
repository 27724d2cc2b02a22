import { z } from 'zod'

export const qdrantStoreOptions = z.strictObject({
  engine: z
    .literal('qdrant')
    .describe('A Qdrant server, 1.19 or newer. Needs the package `@qdrant/js-client-rest`.'),
  url: z
    .string()
    .regex(/^https?:\/\//, 'expected http://host:6333 or https://host:6333')
    .describe('`http://host:6333`; without a port 6333.'),
  apiKey: z.string().min(1).optional().describe('The key, if the server wants one.'),
  prefix: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected a lower-case letter, then at most 62 of a-z 0-9 _ -')
    .default('mcp-worker')
    .describe("The first word of its collections' names: two stores on one server take two."),
  index: z
    .enum(['none', 'hnsw'])
    .default('none')
    .describe(
      "`none`: every vector is compared. `hnsw`: Qdrant's index answers searches approximately, for generations made from now on; `verify` samples its recall.",
    ),
  requestTimeoutMs: z
    .int()
    .min(100)
    .max(3_600_000)
    .default(60_000)
    .describe('How long one request may take.'),
  retryForMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(20_000)
    .describe(
      'How long a call goes on trying after a rate limit, a 5xx or a broken connection, until the task is retried. A longer `Retry-After` is left to the queue.',
    ),
  busyTimeoutMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(30_000)
    .describe(
      'How long a write waits while a reindex puts its generation in place, until the task is retried.',
    ),
})

export type QdrantStoreOptions = z.output<typeof qdrantStoreOptions>
export type QdrantStoreInput = Omit<z.input<typeof qdrantStoreOptions>, 'engine'>
