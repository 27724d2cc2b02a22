import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A server of the test's own, or the one that TEST_POSTGRES_URL names. */
export interface PostgresServer {
  readonly url: string
  /** Null: not ours, so no replica can be made of it. */
  readonly own: { startReplica(): Promise<PostgresServer> } | null
  stop(): Promise<void>
}

/** Null, with a loud word, where neither TEST_POSTGRES_URL nor PostgreSQL's programs are there. */
export async function startPostgres(): Promise<PostgresServer | null> {
  const given = process.env['TEST_POSTGRES_URL']
  if (given !== undefined) return { url: given, own: null, stop: async () => {} }
  const bin = findPrograms()
  if (bin === null) {
    console.warn('SKIPPED: no PostgreSQL was tried: set TEST_POSTGRES_URL, or PG_BIN to the folder of initdb')
    return null
  }
  return startOwn(bin, (data, as) => {
    run(join(bin, 'initdb'), ['-D', data, '-U', 'test', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], as)
  })
}

type User = { readonly uid?: number; readonly gid?: number; readonly cwd: string }

async function startOwn(bin: string, fill: (data: string, as: User) => void): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'data-cleanup-postgres-'))
  const as: User = { ...unprivileged(folder), cwd: folder }
  const data = join(folder, 'data')
  fill(data, as)
  const port = await freePort()
  const options = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder, '-c', 'fsync=off']
  const child = spawn(join(bin, 'postgres'), options, { ...as, stdio: ['ignore', 'ignore', 'pipe'] })
  await ready(child)
  const url = `postgres://test@127.0.0.1:${port}/postgres`
  return {
    url,
    own: {
      startReplica: () =>
        startOwn(bin, (copy, user) =>
          run(
            join(bin, 'pg_basebackup'),
            ['-D', copy, '-d', url, '-R', '-X', 'stream', '-c', 'fast', '-N'],
            user,
          ),
        ),
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGINT')
        await ended
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function run(program: string, options: readonly string[], as: User): void {
  const made = spawnSync(program, options, { ...as, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`${program} failed: ${made.stderr || String(made.error)}`)
}

/** The server refuses to run as root: then it runs as the user `postgres`. */
function unprivileged(folder: string): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const ids = { uid: idOf('-u'), gid: idOf('-g') }
  chownSync(folder, ids.uid, ids.gid)
  return ids
}

function idOf(flag: '-u' | '-g'): number {
  return Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim())
}

async function ready(child: ChildProcess): Promise<void> {
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (seen.length < 50) seen.push(line)
      if (/ready to accept (read-only )?connections/.test(line)) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${seen.join('\n')}`)))
  })
}

function findPrograms(): string | null {
  const root = '/usr/lib/postgresql'
  const debian = existsSync(root)
    ? readdirSync(root)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(root, version, 'bin'))
    : []
  const places = [process.env['PG_BIN'] ?? '', ...debian, ...(process.env['PATH'] ?? '').split(':')]
  return places.find((place) => place !== '' && existsSync(join(place, 'initdb'))) ?? null
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
