export { default } from './plugin.js'
export { taskStore, type TaskStore } from './clean-tasks.js'
export type { CleanupResult, Payload, PreviewOutput } from './payload.js'
export type { DataCleanupOptions, Target } from './options.js'
