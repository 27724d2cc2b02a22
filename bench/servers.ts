import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/** A database server of our own: on a free port of 127.0.0.1, its data in a temporary folder. */
export interface Server {
  readonly url: string
  readonly version: string
  /** Of the server itself, for SIGSTOP and SIGKILL. */
  readonly pid: number
  /** Ends the server, waits for its end, deletes its data. A second call does nothing. */
  stop(): Promise<void>
}

/** What a Redis keeps: nothing, or an append-only file that is fsynced each second or before each answer. */
export type RedisPersistence = 'none' | 'everysec' | 'always'

/** Needs `redis-server` in the path, or REDIS_SERVER. Rejects with its output where it does not start. */
export async function startRedis(persistence: RedisPersistence = 'none'): Promise<Server> {
  const program = process.env['REDIS_SERVER'] ?? 'redis-server'
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-redis-'))
  const port = await freePort()
  const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const aof =
    persistence === 'none'
      ? ['--appendonly', 'no']
      : ['--appendonly', 'yes', '--appendfsync', persistence, '--no-appendfsync-on-rewrite', 'no']
  const child = spawn(program, [...options, ...aof], { stdio: ['ignore', 'pipe', 'inherit'] })
  const version = /v=(\S+)/.exec(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout)?.[1]
  await started(child, child.stdout, /Ready to accept connections/)
  return server(child, folder, `redis://127.0.0.1:${port}`, `Redis ${version ?? '?'}`, 'SIGTERM')
}

/**
 * A cluster made by `initdb` with its default settings, so `fsync` and `synchronous_commit` are on. The server refuses to run as root: then it
 * runs as the user `postgres`. Needs PostgreSQL's programs in the path, in PG_BIN, or where Debian puts them.
 */
export async function startPostgres(): Promise<Server> {
  const bin = postgresPrograms()
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-postgres-'))
  const user = process.getuid?.() === 0 ? userIds('postgres') : null
  if (user) chownSync(folder, user.uid, user.gid)
  const port = await freePort()
  const data = join(folder, 'data')
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C'],
    { ...user, encoding: 'utf8', cwd: folder },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`)
  const options = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder]
  const child = spawn(join(bin, 'postgres'), options, {
    ...user,
    cwd: folder,
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const version = spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout
  await started(child, child.stderr, /ready to accept connections/)
  const url = `postgres://bench@127.0.0.1:${port}/postgres`
  return server(child, folder, url, `PostgreSQL ${/\d+(\.\d+)?/.exec(version)?.[0] ?? '?'}`, 'SIGINT')
}

function server(
  child: ChildProcess,
  folder: string,
  url: string,
  version: string,
  signal: NodeJS.Signals,
): Server {
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGCONT') // a frozen server does not see the next signal
      child.kill(signal)
      await ended
    }
    rmSync(folder, { recursive: true, force: true })
  }
  return { url, version, pid: child.pid ?? 0, stop }
}

/** Resolves at the line, then keeps the pipe flowing so that the server never blocks on it. */
async function started(child: ChildProcess, output: Readable, ready: RegExp): Promise<void> {
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    const lines = createInterface({ input: output })
    lines.on('line', (line) => {
      if (seen.length < 50) seen.push(line)
      if (ready.test(line)) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${seen.join('\n')}`)))
  })
}

function postgresPrograms(): string {
  const root = '/usr/lib/postgresql'
  const debian = existsSync(root)
    ? readdirSync(root)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(root, version, 'bin'))
    : []
  const path = (process.env['PATH'] ?? '').split(':')
  const places = [process.env['PG_BIN'] ?? '', ...path, ...debian]
  const found = places.find((place) => place !== '' && existsSync(join(place, 'initdb')))
  if (found === undefined) throw new Error('expected initdb of PostgreSQL in PATH; set PG_BIN to its folder')
  return found
}

function userIds(name: string): { readonly uid: number; readonly gid: number } {
  const id = (flag: string) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout.trim())
  const ids = { uid: id('-u'), gid: id('-g') }
  if (ids.uid === 0) throw new Error(`expected a user named ${name} to run PostgreSQL as`)
  return ids
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
