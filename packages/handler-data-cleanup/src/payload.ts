import { z } from 'zod'
import { ageSchema } from './age.js'

export const targetName = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,62}$/,
    'expected the name of a configured target: a lower-case letter, then at most 62 of a-z 0-9 _ -',
  )

/** `*` and `?` within a name, `**` for any folders. Without a slash it is compared with names at any depth, else with the path below the root. */
const pattern = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\0]*$/, 'expected no NUL')
  .refine(
    (text) => !text.startsWith('/') && !text.split('/').includes('..'),
    'expected a pattern below the root, without a leading slash and ".."',
  )

export const patternsSchema = z.array(pattern).max(100)

export const basisSchema = z.enum(['mtime', 'atime', 'ctime', 'newest'])
export type Basis = z.output<typeof basisSchema>

const bytes = z.int().max(Number.MAX_SAFE_INTEGER)

/** Free space of the target's file system. Zero, or less: nothing is needed, nothing is done. */
const untilFree = z.union([z.strictObject({ bytes }), z.strictObject({ percent: z.number().max(99) })])

const selection = {
  target: targetName,
  /** Default: the target's own. */
  older_than: ageSchema.optional(),
  /** What the age is counted from; `newest`: the later one of mtime and ctime. */
  basis: basisSchema.default('newest'),
  /** Files and links must match one of these, if there are any. */
  include: patternsSchema.default([]),
  /** Beside those of the target. A folder that matches is not entered. */
  exclude: patternsSchema.default([]),
  /** This many of the newest files that `include` and `exclude` let through stay, whatever their age. */
  keep_latest: z.int().min(0).max(10_000).default(0),
}

const databaseWork = z.strictObject({
  prune: z.boolean().default(true),
  vacuum: z.enum(['none', 'incremental', 'full']).default('incremental'),
  analyze: z.boolean().default(true),
  checkpoint: z.boolean().default(true),
  integrity: z.boolean().default(true),
})

export type DatabaseWork = z.output<typeof databaseWork>

const MAX_CURSOR = 64 * 1024

/** What `data_cleanup` takes. */
export const payloadSchema = z
  .strictObject({
    ...selection,
    dry_run: z.boolean().default(false),
    /** Files and links deleted at most; folders are not counted. */
    max_files: z.int().min(1).optional(),
    max_bytes: bytes.min(1).optional(),
    /** Counted from the first delivery. */
    max_duration: ageSchema.optional(),
    /** Delete the oldest until so much is free. */
    until_free: untilFree.optional(),
    /** `next_cursor` of the run before: go on there. */
    cursor: z.string().min(1).max(MAX_CURSOR).optional(),
    /** Of databases; those that are left out are on. */
    database: databaseWork.prefault({}),
    /** Entries looked at at once (256), or rows per transaction (1,000). */
    batch_size: z.int().min(1).max(10_000).optional(),
    /** Between two batches. */
    pause_ms: z.int().min(0).max(60_000).default(0),
  })
  .refine(({ cursor, until_free }) => cursor === undefined || until_free === undefined, {
    path: ['cursor'],
    error:
      'expected no cursor beside until_free, which chooses the oldest of all files each time; leave one out',
  })

export type Payload = z.output<typeof payloadSchema>

const count = z.int().min(0)

const listedFile = z.strictObject({ path: z.string(), bytes: count })

const databaseResult = z.strictObject({
  name: z.string(),
  engine: z.enum(['sqlite', 'postgres']),
  rows_deleted: count,
  /** Old rows that stay: others held their locks. Counted up to 1,000. */
  rows_locked: count,
  pages_freed: z.int(),
  bytes_before: count,
  bytes_after: count,
  /** `ok`, or `skipped`; a failed check ends the task. */
  integrity: z.enum(['ok', 'skipped']),
  /** `busy`: readers kept the rest of the write-ahead log. */
  checkpoint: z.enum(['done', 'busy', 'skipped']),
  /** `not_enabled`: the file was made without `auto_vacuum = INCREMENTAL`. */
  vacuum: z.enum(['done', 'not_enabled', 'skipped']),
})

export type DatabaseResult = z.output<typeof databaseResult>

export const resultSchema = z.strictObject({
  target: z.string(),
  kind: z.enum(['files', 'hf_cache', 'database', 'tasks', 'task_results']),
  /** `partial`: a limit or a fault left something. `locked`: another worker is at this target. `absent`: there is no such folder. */
  outcome: z.enum(['done', 'partial', 'locked', 'absent', 'not_needed']),
  dry_run: z.boolean(),
  /** A few sentences for people. */
  summary: z.string(),
  /** `reduced`: not on Linux, so a folder that is swapped for a link at the wrong moment could be followed. */
  safety: z.enum(['pinned', 'reduced', 'not_applicable']),
  scanned: count,
  /** Old enough and let through by the patterns. */
  matched: count,
  /** Files and links; of a dry run, those that would be. */
  deleted: count,
  directories_deleted: count,
  /** Allocated blocks; a file with several links counts when its last one goes. */
  bytes_freed: count,
  /** Entries that stay, by reason. */
  skipped: z.record(z.string(), count),
  /** The first 100. */
  errors: z.array(z.strictObject({ path: z.string(), code: z.string() })),
  error_count: count,
  /** The first of those deleted, or that would be. */
  files: z.array(listedFile),
  truncated_by: z
    .enum(['max_files', 'max_bytes', 'max_duration', 'list', 'wal_busy', 'replica_lag'])
    .nullable(),
  next_cursor: z.string().nullable(),
  pressure: z
    .strictObject({ wanted_bytes: z.int(), free_before: count, free_after: count, reached: z.boolean() })
    .nullable(),
  databases: z.array(databaseResult),
  /** Tasks that were submitted to other handlers; of a dry run without ids. */
  tasks: z.array(z.strictObject({ type: z.string(), id: z.string().nullable() })),
})

export type CleanupResult = z.output<typeof resultSchema>

export const previewInputSchema = z.strictObject({
  ...selection,
  limit: z.int().min(1).max(1_000).default(100),
  cursor: z.string().min(1).max(MAX_CURSOR).optional(),
})

export type PreviewInput = z.output<typeof previewInputSchema>

export const previewOutputSchema = z.strictObject({
  target: z.string(),
  /** As in the task's result. */
  safety: z.enum(['pinned', 'reduced', 'not_applicable']),
  summary: z.string(),
  files: z.array(listedFile),
  directories: z.array(z.string()),
  skipped: z.record(z.string(), count),
  /** Null: that was all. */
  next_cursor: z.string().nullable(),
  /** Rows that would be deleted, by database. */
  databases: z.array(z.strictObject({ name: z.string(), table: z.string(), rows: count })),
})

export type PreviewOutput = z.output<typeof previewOutputSchema>
