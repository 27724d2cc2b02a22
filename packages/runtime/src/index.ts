/** `@mcp-worker/runtime`: tasks, the plugin contract, the queue contract, the worker. */
export * from './task.js'
export * from './errors.js'
export * from './plugin.js'
export * from './queue.js'
export { createClock, type Clock } from './clock.js'
export { parseDuration } from './duration.js'
export { describeFaults, KEEP_INPUT } from './faults.js'
export {
  canonicalJson,
  MAX_DEPTH,
  MAX_PAYLOAD_BYTES,
  MAX_RESULT_BYTES,
  scanJson,
  toJsonText,
} from './json.js'
export { createLogger, logDestination, type LoggerOptions } from './logger.js'
export { createKeeper, type Keeper, type KeeperOptions } from './keeper/keeper.js'
export type {
  Resident,
  ResidentContext,
  ResidentModule,
  BlockedTask,
  OtherInHand,
} from './keeper/resident.js'
export { backoffDelayMs, DEFAULT_BACKOFF, type BackoffPolicy } from './backoff.js'
export { decideReap, decideSettlement } from './decide.js'
export { createMemoryStore, memoryQueue, type MemoryQueueOptions, type MemoryStore } from './memory-queue.js'
export { AbortedWork, type Outcome } from './host/host.js'
export type { HealthCheckResult, HealthReport, ServiceCheck } from './health.js'
export { newTaskId, type Accepted, type Submission, type SubmitOptions } from './submit.js'
export { scheduleFaults, type ScheduleOptions } from './schedule/options.js'
export type { ScheduleInfo } from './schedule/schedules.js'
export type { StopOutcome } from './shutdown.js'
export { taskStore, type TaskStore } from './task-store.js'
export type { QueryInfo, TypeInfo } from './describe.js'
export type { WorkerOptions } from './worker-options.js'
export { createWorker, type TaskHandle, type Worker, type WorkerFor } from './worker.js'
