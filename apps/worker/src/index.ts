export { defineConfig } from './config-file.js'
export type { PluginEntry, WorkerConfig } from './config-file.js'
