import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
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

/** Of a file that is to be written. */
export function expectFolderOf(path: string): void {
  const folder = dirname(path)
  if (!existsSync(folder)) throw new UsageError(`there is no folder ${folder}: expected one to write into`)
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new UsageError(`${path} is a folder: expected the name of a file`)
  }
}

export function expectFile(path: string, what: string): void {
  if (!existsSync(path)) throw new UsageError(`there is no file ${path}: expected ${what}`)
}
