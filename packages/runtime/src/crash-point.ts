type Hook = (name: CrashPoint) => void

/** Places where the crash tests kill the process. */
export type CrashPoint =
  | 'after_insert'
  | 'before_commit'
  | 'after_commit'
  | 'after_claim'
  | 'before_settle'
  | 'after_settle'
  | 'in_migration'
  | 'in_prune'

/** Does nothing, unless a test put a hook there before this module was loaded (`node --import`). */
const hook = (globalThis as { [key: symbol]: Hook | undefined })[Symbol.for('mcp-worker.crash-point')]

export function crashPoint(name: CrashPoint): void {
  hook?.(name)
}
