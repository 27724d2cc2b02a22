import type { Configuration } from '../../configuration.js'
import type { Environment, RawEnvironment } from '../../environment.js'

/** What one check found. Each fault and each warning has a remedy; docs/troubleshooting.md has a row per check. */
export interface Finding {
  readonly check: Check
  readonly status: 'ok' | 'warning' | 'fault' | 'skipped'
  readonly detail: string
  readonly remedy: string | null
}

/** In the order in which they are made. */
export const CHECKS = [
  'node',
  'memory',
  'configuration',
  'plugins',
  'data_dir',
  'disk',
  'file_system',
  'queue_file',
  'tasks',
  'metrics_port',
  'api_port',
  'health',
] as const

export type Check = (typeof CHECKS)[number]

/** What the process is, as main.ts knows it. */
export interface Machine {
  readonly nodeVersion: string
  readonly sqliteVersion: string | null
  /** Bytes that the operating system lets this process use; null: no limit is known. */
  readonly memoryLimit: number | null
}

export interface Patient {
  readonly env: RawEnvironment
  readonly cwd: string
  readonly machine: Machine
  /** Faulty variables have their defaults here. */
  readonly environment: Environment
  /** Null: it has faults. */
  readonly configuration: Configuration | null
  /** Absolute. */
  readonly dataDir: string
}

export const ok = (check: Check, detail: string): Finding => ({ check, status: 'ok', detail, remedy: null })

export const skipped = (check: Check, detail: string): Finding => ({
  check,
  status: 'skipped',
  detail,
  remedy: null,
})

export const warning = (check: Check, detail: string, remedy: string): Finding => ({
  check,
  status: 'warning',
  detail,
  remedy,
})

export const fault = (check: Check, detail: string, remedy: string): Finding => ({
  check,
  status: 'fault',
  detail,
  remedy,
})

const MIB = 1024 * 1024

export function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / MIB).toLocaleString('en')} MiB`
}

/** `1 task`, `2 tasks`. */
export function counted(n: number, what: string): string {
  return `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`
}
