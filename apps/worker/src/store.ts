import { mkdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { WorkerError, memoryQueue, type QueueDriver } from '@mcp-worker/runtime'
import { firstLine } from './config-file.js'
import type { Configuration } from './configuration.js'

/** The embedded queue's file. */
export function queuePath(dataDir: string): string {
  return join(dataDir, 'queue.db')
}

/** The queue that the configuration asks for, not open yet. Makes DATA_DIR. */
export async function createQueue(
  { environment, config }: Pick<Configuration, 'environment' | 'config'>,
  cwd: string,
): Promise<QueueDriver> {
  const dataDir = resolve(cwd, environment.DATA_DIR)
  await makeFolder(dataDir).catch((cause: unknown) => {
    const message = `${environment.DATA_DIR} cannot be made: ${firstLine(cause)}; expected a folder that this user may write to`
    throw new WorkerError('bad_configuration', message, { cause, faults: [{ path: 'DATA_DIR', message }] })
  })
  if (environment.QUEUE_URL === 'memory') return memoryQueue()
  // not imported where it isn't used: node:sqlite is experimental on Node.js 22
  const { sqliteQueue } = await import('@mcp-worker/runtime/sqlite')
  return sqliteQueue({ path: queuePath(dataDir), durability: config.durability })
}

/** With its parents. `recursive` would try for ever where the parent is there and yet answers ENOENT, as /proc and automounted folders do (Node.js 24). */
async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return
  if (dirname(folder) !== folder) await makeFolder(dirname(folder))
  await mkdir(folder).catch(async (error: unknown) => {
    // another worker made it meanwhile
    if (!(await isFolder(folder))) throw error
  })
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
