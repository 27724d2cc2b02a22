/** `@mcp-worker/runtime/sqlite`: the embedded queue. The only entry that needs `node:sqlite`. */
export { sqliteQueue, type SqliteQueueOptions } from './driver.js'
export type { SqliteDurability } from './schema.js'
export { backupQueue, restoreQueue, type BackupOutcome, type RestoreOutcome } from './backup.js'
export {
  checkQueueFile,
  countWorkers,
  readQueueState,
  tryQueueFolder,
  type QueueFileReport,
  type QueueState,
} from './inspect.js'
