import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { readEnvironment } from '../environment.js'
import { queuePath } from '../store.js'
import type { CommandContext } from './command-context.js'
import { UsageError } from './json-argument.js'

/** The file of the embedded queue that a worker started here would use. */
export function queueFileOf({ terminal, cwd }: Pick<CommandContext, 'terminal' | 'cwd'>): string {
  const { environment, faults } = readEnvironment(terminal.env)
  const fault = faults.find(({ path }) => path === 'QUEUE_URL' || path === 'DATA_DIR')
  if (fault !== undefined) throw new UsageError(`${fault.path}: ${fault.message}`)
  if (environment.QUEUE_URL === 'memory') {
    throw new UsageError('QUEUE_URL is memory: its tasks are in no file; expected the embedded queue (unset)')
  }
  return queuePath(resolve(cwd, environment.DATA_DIR))
}

export function expectFile(path: string, what: string): void {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}: expected ${what}`)
}
