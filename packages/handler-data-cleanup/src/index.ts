export { default } from './plugin.js'
export type { CleanupResult, Payload, PreviewOutput } from './payload.js'
export type { DataCleanupOptions, Target } from './options.js'
