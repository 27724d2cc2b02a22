import { z } from 'zod'

export const sqliteStoreOptions = z.strictObject({
  engine: z
    .literal('sqlite')
    .default('sqlite')
    .describe('One file, shared by the threads and processes of one host.'),
  path: z
    .string()
    .min(1)
    .optional()
    .describe("The file. Default: `vectors.db` in the plugin's folder under DATA_DIR."),
  searchMemoryMb: z
    .int()
    .min(0)
    .max(65_536)
    .default(512)
    .describe(
      'Vectors that each searching thread keeps in memory; a larger collection is read from the file at each search.',
    ),
  busyTimeoutMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(30_000)
    .describe('How long a write waits for other writers of the file until the task is retried.'),
})
