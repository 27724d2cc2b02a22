/** `@mcp-worker/test-servers`: database servers of a test's or a bench's own. Node.js runs these sources as they are: they import each other as `.ts`. */
export { findPostgres, startPostgres, type OwnPostgres, type PostgresServer } from './postgres.ts'
export { startRedis, type RedisPersistence } from './redis.ts'
export type { Server } from './server.ts'
