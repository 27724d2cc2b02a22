import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { TaskStore } from '@mcp-worker/runtime'
import { optionsSchema, type Target } from '../src/options.js'
import { payloadSchema, previewInputSchema, type CleanupResult } from '../src/payload.js'
import { createOpenFiles, type OpenFiles } from '../src/files/open-files.js'
import type { FreeSpace } from '../src/files/pressure.js'
import { createCleanupMetrics } from '../src/metrics.js'
import { previewCleanup } from '../src/preview.js'
import { type CleanupDeps, runCleanup } from '../src/run-cleanup.js'
import { statFree } from '../src/clean-files.js'
import type { TaskContext } from '../src/task-context.js'
import { tempFolder } from './temp-folder.js'

export const HOUR = 3_600_000
/** Tests run two days after their files were made, since nobody can make a file with an old ctime. */
export const LATER_MS = 48 * HOUR

export interface HarnessOptions {
  readonly targets: Readonly<Record<string, unknown>>
  readonly plugin?: { readonly maxDepth?: number }
  readonly freeSpace?: (path: string) => Promise<FreeSpace>
  readonly openFiles?: () => Promise<OpenFiles>
  readonly taskStore?: TaskStore
  readonly now?: () => number
  readonly dataDir?: string
}

export async function createHarness(options: HarnessOptions) {
  const parsed = optionsSchema.parse({ targets: options.targets, ...options.plugin })
  const deps: CleanupDeps = {
    targets: parsed.targets as Readonly<Record<string, Target>>,
    metrics: createCleanupMetrics({
      counter: () => ({ inc() {} }),
      gauge: () => ({ set() {} }),
      histogram: () => ({ observe() {} }),
    }),
    taskStore: options.taskStore ?? { pruneResults: () => Promise.reject(new Error('not here')) },
    around: {
      dataDir: options.dataDir ?? (await tempFolder()),
      concurrency: parsed.concurrency,
      maxDepth: parsed.maxDepth,
      now: options.now ?? (() => Date.now() + LATER_MS),
      openFiles: options.openFiles ?? createOpenFiles(),
      freeSpace: options.freeSpace ?? statFree,
    },
  }
  return {
    deps,
    run: (payload: unknown, context: Partial<TaskContext> = {}): Promise<CleanupResult> =>
      runCleanup(payloadSchema.parse(payload), deps, { ...idleContext(), ...context }),
    preview: (input: unknown) =>
      previewCleanup(previewInputSchema.parse(input), deps, new AbortController().signal),
  }
}

function idleContext(): TaskContext {
  return {
    signal: new AbortController().signal,
    progress: () => {},
    checkpoint: { get: () => null, set: async () => {} },
    submit: async (type, _payload, { key }) => ({ id: `${type}-${key}`, duplicate: false }),
    snooze: () => {
      throw new Error('snoozed')
    },
    task: { delivery: 1, deadline: Date.now() + HOUR },
  }
}

/** Keeps what was stored, as the queue does: as JSON. */
export function memoryCheckpoint() {
  const stored: string[] = []
  return {
    stored,
    checkpoint: {
      get: <T>(): T | null => (stored.length === 0 ? null : (JSON.parse(stored.at(-1) ?? '') as T)),
      set: async (value: unknown) => void stored.push(JSON.stringify(value)),
    },
  }
}

/** All paths below, sorted; folders end in a slash. */
export async function treeOf(root: string): Promise<readonly string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries
    .map((entry) => {
      const path = join(entry.parentPath, entry.name).slice(root.length + 1)
      return entry.isDirectory() ? `${path}/` : path
    })
    .toSorted()
}
