import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Server, endProcess, freePort, startProcess } from './server.ts'

/** What a Redis keeps: nothing, or an append-only file that is fsynced each second or before each answer. */
export type RedisPersistence = 'none' | 'everysec' | 'always'

/** Needs `redis-server` in the path, or REDIS_SERVER. On a free port, its data in a temporary folder. */
export async function startRedis(persistence: RedisPersistence = 'none'): Promise<Server> {
  const program = process.env['REDIS_SERVER'] ?? 'redis-server'
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-redis-'))
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const aof =
    persistence === 'none'
      ? ['--appendonly', 'no']
      : ['--appendonly', 'yes', '--appendfsync', persistence, '--no-appendfsync-on-rewrite', 'no']
  const ready = /Ready to accept connections/
  const child = await startProcess({ program, options: [...options, ...aof], folder, says: 'stdout', ready })
  const version = /v=(\S+)/.exec(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout)?.[1]
  return {
    url: `redis://127.0.0.1:${port}`,
    version: `Redis ${version ?? '?'}`,
    stop: async () => {
      await endProcess(child, 'SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
