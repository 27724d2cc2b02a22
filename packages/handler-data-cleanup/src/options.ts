import { realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, normalize } from 'node:path'
import { z } from 'zod'
import { ageMs, ageSchema } from './age.js'
import { patternsSchema, targetName } from './payload.js'

/** Checked as text, before anything asks the system about it. */
const root = z
  .string()
  .min(1)
  .max(4_096)
  .refine((path) => !path.includes('\0'), 'expected no NUL')
  .refine(
    (path) => isAbsolute(path) && normalize(path) === path && (path === '/' || !path.endsWith('/')),
    'expected an absolute path without "..", "." and a slash at its end',
  )

const ages = {
  /** For payloads without `older_than`: the time to live of the target. */
  olderThan: ageSchema.optional(),
  /** The floor: a payload that asks for less is refused. */
  minAge: ageSchema.default('1h'),
}

const filesTarget = z.strictObject({
  kind: z.literal('files'),
  root,
  ...ages,
  /** As if each payload had them. */
  include: patternsSchema.default([]),
  exclude: patternsSchema.default([]),
  /** The root may be where a file system is mounted. */
  allowMountRoot: z.boolean().default(false),
  /** Delete files that a process holds open. */
  allowOpen: z.boolean().default(false),
  /** Delete names of files that have other names. */
  allowHardLinks: z.boolean().default(false),
  removeEmptyDirectories: z.boolean().default(true),
})

const hubTarget = z.strictObject({
  kind: z.literal('hf_cache'),
  /** The folder that holds `models--…`, usually `~/.cache/huggingface/hub`. */
  root,
  ...ages,
  allowMountRoot: z.boolean().default(false),
})

const pruneRule = z.strictObject({
  /** PostgreSQL: with its schema, `public.events`. */
  table: z.string().min(1).max(200),
  /** When the row was made, or expires. */
  column: z.string().min(1).max(200),
  /** `s`, `ms`: numbers since the epoch. `iso`: SQLite text such as `2026-11-22T09:30:00.000Z`. `time`: a PostgreSQL date or timestamp. */
  unit: z.enum(['s', 'ms', 'iso', 'time']),
  /** SQL that a row must also fulfil; written by the operator, never by a task. */
  where: z.string().min(1).max(2_000).optional(),
})

export type PruneRule = z.output<typeof pruneRule>

const sqliteDatabase = z.strictObject({
  name: targetName,
  engine: z.literal('sqlite'),
  path: root,
  prune: z.array(pruneRule).max(100).default([]),
  /** How long a batch waits for other writers until the task is retried. */
  busyTimeoutMs: z.int().min(0).max(600_000).default(30_000),
})

const postgresDatabase = z.strictObject({
  name: targetName,
  engine: z.literal('postgres'),
  /** The variable that holds `postgres://…`, so that the secret is in no file. */
  urlEnv: z.string().min(1),
  prune: z.array(pruneRule).max(100).default([]),
  /** Wait while a replica has this much of the log still to replay. */
  maxReplicaLagMb: z.int().min(1).max(1_048_576).default(64),
  /** How long it waits for the replicas until it stops with `replica_lag`. */
  replicaWaitMs: z.int().min(0).max(3_600_000).default(60_000),
})

export type SqliteDatabase = z.output<typeof sqliteDatabase>
export type PostgresDatabase = z.output<typeof postgresDatabase>

const databaseTarget = z.strictObject({
  kind: z.literal('database'),
  ...ages,
  databases: z
    .array(z.discriminatedUnion('engine', [sqliteDatabase, postgresDatabase]))
    .min(1)
    .max(50),
})

/** What only its owner can clean: a task for the owner's handler. */
const tasksTarget = z.strictObject({
  kind: z.literal('tasks'),
  tasks: z
    .array(z.strictObject({ type: z.string().min(1).max(64), payload: z.record(z.string(), z.unknown()) }))
    .min(1)
    .max(50),
})

export const taskResultsTarget = z.strictObject({ kind: z.literal('task_results'), ...ages })

const targetSchema = z
  .discriminatedUnion('kind', [filesTarget, hubTarget, databaseTarget, tasksTarget, taskResultsTarget])
  .refine(
    (target) =>
      !('olderThan' in target) ||
      target.olderThan === undefined ||
      ageMs(target.olderThan) >= ageMs(target.minAge),
    {
      path: ['olderThan'],
      message: 'expected at least minAge',
    },
  )

export type Target = z.output<typeof targetSchema>
export type FilesTarget = Extract<Target, { kind: 'files' }>
export type HubTarget = Extract<Target, { kind: 'hf_cache' }>
export type DatabaseTarget = Extract<Target, { kind: 'database' }>
export type TasksTarget = Extract<Target, { kind: 'tasks' }>

/** What `dataCleanup({…})` takes. camelCase, as all of the worker's configuration; payloads are snake_case. */
export const optionsSchema = z.strictObject({
  /** By name. Nothing else can be deleted. Default: `temp_files` and `task_results`. */
  targets: z.record(targetName, targetSchema).optional(),
  /** The root of `temp_files`; a file system may be mounted there. Default: the system's folder for temporary files, where none is. */
  tempRoot: root.optional(),
  /** System calls on files at once. */
  concurrency: z.int().min(1).max(256).default(32),
  /** How deep folders are entered. */
  maxDepth: z.int().min(1).max(200).default(64),
})

export type DataCleanupOptions = z.output<typeof optionsSchema>

/** Folders that other programs expect in a shared folder for temporary files, empty or not. */
const OTHERS_IN_TEMP = [
  'systemd-private-*',
  '.X11-unix',
  '.ICE-unix',
  '.XIM-unix',
  '.font-unix',
  '.Test-unix',
]

/** Target `temp_files` of a worker whose configuration has none of that name. */
export function tempFilesTarget(tempRoot: string | undefined): Target {
  return filesTarget.parse({
    kind: 'files',
    root: tempRoot ?? realpathSync(tmpdir()),
    exclude: OTHERS_IN_TEMP,
    allowMountRoot: tempRoot !== undefined,
  })
}
