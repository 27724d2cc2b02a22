import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface PostgresServer {
  readonly url: string
  /** It was started here. */
  readonly own: boolean
  stop(): Promise<void>
}

const REMEDY =
  'set TEST_POSTGRES_URL to a database with pgvector in which tests may make schemas, or install PostgreSQL and run scripts/install-pgvector.sh'

/** null: there is none to be had, and the tests that need it are skipped. With REQUIRE_SERVERS=1 that is an error. */
export async function findPostgres(): Promise<PostgresServer | null> {
  const url = process.env['TEST_POSTGRES_URL']
  if (url !== undefined && url !== '') return { url, own: false, stop: async () => {} }
  const missing = whatIsMissing()
  if (missing === null) return startPostgres()
  if (process.env['REQUIRE_SERVERS'] === '1') throw new Error(`expected ${missing}, found none: ${REMEDY}`)
  process.stderr.write(
    `SKIPPED: the tests of the engine pgvector; expected ${missing}, found none: ${REMEDY}\n`,
  )
  return null
}

function whatIsMissing(): string | null {
  const bin = postgresPrograms()
  if (bin === null) return 'initdb of PostgreSQL'
  const share = spawnSync(join(bin, 'pg_config'), ['--sharedir'], { encoding: 'utf8' }).stdout?.trim()
  return existsSync(join(share ?? '', 'extension/vector.control')) ? null : 'the extension pgvector'
}

function postgresPrograms(): string | null {
  const root = '/usr/lib/postgresql'
  const debian = existsSync(root)
    ? readdirSync(root)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(root, version, 'bin'))
    : []
  const places = [process.env['PG_BIN'] ?? '', ...debian, ...(process.env['PATH'] ?? '').split(':')]
  return places.find((place) => place !== '' && existsSync(join(place, 'initdb'))) ?? null
}

/** On a free port, its data in a temporary folder. The server refuses to run as root: then it runs as the user `postgres`. */
export async function startPostgres(): Promise<
  PostgresServer & { readonly killAndStart: () => Promise<void> }
> {
  const bin = postgresPrograms() ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'vector-index-postgres-'))
  const user = process.getuid?.() === 0 ? userIds('postgres') : null
  if (user) chownSync(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const options = ['-D', data, '-U', 'test', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const made = spawnSync(join(bin, 'initdb'), options, { ...user, encoding: 'utf8', cwd: folder })
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`)
  const port = await freePort()
  const start = async (): Promise<ChildProcess> => {
    const where = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder]
    const server = spawn(join(bin, 'postgres'), [...where, '-c', 'max_connections=200'], {
      ...user,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    await ready(server)
    return server
  }
  let child = await start()
  return {
    url: `postgres://test@127.0.0.1:${port}/postgres`,
    own: true,
    killAndStart: async () => {
      await end(child, 'SIGKILL')
      child = await start()
    },
    stop: async () => {
      await end(child, 'SIGQUIT')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

async function ready(child: ChildProcess): Promise<void> {
  if (child.stderr === null) throw new Error('expected a pipe')
  const lines = createInterface({ input: child.stderr })
  const said: string[] = []
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      if (said.length < 50) said.push(line)
      if (line.includes('ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`PostgreSQL ended with ${code}:\n${said.join('\n')}`)))
  })
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
