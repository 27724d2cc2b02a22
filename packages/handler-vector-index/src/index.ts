export { default } from './plugin.js'
export { openSqliteStore, type SqliteStoreOptions } from './sqlite/store.js'
export * from './store.js'
export type { Filter, Payload, VectorIndexResult } from './payload.js'
