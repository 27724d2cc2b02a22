import { type ChildProcess, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Server, endProcess, freePort, startProcess } from './server.ts'

export interface OwnPostgres extends Server {
  /** SIGKILL, then a new server on the same data and port. */
  killAndStart(): Promise<void>
  /** A standby that follows this one; stop it first. */
  startReplica(): Promise<OwnPostgres>
}

export interface PostgresServer extends Server {
  /** Null: it was found, so it can be neither killed nor followed. */
  readonly own: OwnPostgres | null
}

/** What is asked of a server, and which tests are skipped without one. */
export interface Need {
  /** As in "the tests of …". */
  readonly tests: string
  readonly extension?: { readonly name: string; readonly remedy: string }
  /** Where TEST_POSTGRES_URL, REQUIRE_SERVERS, PG_BIN and PATH are. Defaults to the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/**
 * The database that TEST_POSTGRES_URL names, in which tests may make schemas; else a server of our own from the PostgreSQL that is installed.
 * null, with a loud word: there is none, and the tests that need it are skipped. With REQUIRE_SERVERS=1 that is an error.
 */
export async function findPostgres(need: Need): Promise<PostgresServer | null> {
  const environment = need.environment ?? process.env
  const url = environment['TEST_POSTGRES_URL'] ?? ''
  if (url !== '') return { url, version: 'PostgreSQL', own: null, stop: async () => {} }
  const missing = whatIsMissing(need, environment)
  if (missing === null) {
    const own = await startPostgres({ durable: false })
    return { ...own, own }
  }
  const install = `install PostgreSQL${need.extension === undefined ? '' : ` and ${need.extension.remedy}`}`
  const remedy = `set TEST_POSTGRES_URL to a database in which tests may make schemas, or ${install}`
  if (environment['REQUIRE_SERVERS'] === '1') throw new Error(`expected ${missing}, found none: ${remedy}`)
  process.stderr.write(`SKIPPED: the tests of ${need.tests}; expected ${missing}, found none: ${remedy}\n`)
  return null
}

function whatIsMissing({ extension }: Need, environment: NonNullable<Need['environment']>): string | null {
  const bin = findPrograms(environment)
  if (bin === null) return 'initdb of PostgreSQL'
  if (extension === undefined) return null
  const share = spawnSync(join(bin, 'pg_config'), ['--sharedir'], { encoding: 'utf8' }).stdout?.trim() ?? ''
  const control = join(share, 'extension', `${extension.name}.control`)
  return existsSync(control) ? null : `PostgreSQL's extension ${extension.name}`
}

/**
 * On a free port of 127.0.0.1, its data in a temporary folder. `durable`: PostgreSQL's own settings, with fsync, for figures; without it what was
 * committed survives the server's death, not the machine's. The server refuses to run as root: then it runs as the user `postgres`.
 * Needs PostgreSQL's programs in PG_BIN, where Debian puts them, or in the path.
 */
export async function startPostgres({ durable }: { readonly durable: boolean }): Promise<OwnPostgres> {
  const bin = findPrograms(process.env)
  if (bin === null) throw new Error('expected initdb of PostgreSQL in PATH; set PG_BIN to its folder')
  const settings = durable ? [] : ['-c', 'fsync=off', '-c', 'max_connections=200']
  return startCluster(bin, settings, (data, as) => {
    const options = ['-D', data, '-U', 'test', '-A', 'trust', '-E', 'UTF8', '--locale=C']
    run(join(bin, 'initdb'), durable ? options : [...options, '--no-sync'], as)
  })
}

interface As {
  readonly folder: string
  readonly user?: { readonly uid: number; readonly gid: number }
}

async function startCluster(
  bin: string,
  settings: readonly string[],
  fill: (data: string, as: As) => void,
): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-postgres-'))
  const as: As = { folder, ...unprivileged(folder) }
  const data = join(folder, 'data')
  const port = await freePort()
  const url = `postgres://test@127.0.0.1:${port}/postgres`
  const where = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', folder]
  const start = () =>
    startProcess({
      program: join(bin, 'postgres'),
      options: [...where, ...settings],
      ...as,
      says: 'stderr',
      ready: /ready to accept (read-only )?connections/,
    })
  let child: ChildProcess | null = null
  // immediate: all that is left to do is to delete the data
  const stop = async () => {
    if (child !== null) await endProcess(child, 'SIGQUIT')
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    fill(data, as)
    child = await start()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url,
    version: versionOf(bin),
    stop,
    killAndStart: async () => {
      if (child !== null) await endProcess(child, 'SIGKILL')
      child = await start()
    },
    startReplica: () => startCluster(bin, settings, (copy, by) => copyCluster(bin, url, copy, by)),
  }
}

function copyCluster(bin: string, url: string, copy: string, as: As): void {
  const options = ['-D', copy, '-d', url, '-R', '-X', 'stream', '-c', 'fast', '--no-sync']
  run(join(bin, 'pg_basebackup'), options, as)
}

function run(program: string, options: readonly string[], { folder, user }: As): void {
  const made = spawnSync(program, options, { ...user, cwd: folder, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`${program} failed: ${made.stderr || String(made.error)}`)
}

function unprivileged(folder: string): Pick<As, 'user'> {
  if (process.getuid?.() !== 0) return {}
  const user = { uid: idOf('-u'), gid: idOf('-g') }
  if (user.uid === 0) throw new Error('expected a user named postgres to run PostgreSQL as')
  chownSync(folder, user.uid, user.gid)
  return { user }
}

function idOf(flag: '-u' | '-g'): number {
  return Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout.trim())
}

function versionOf(bin: string): string {
  const said = spawnSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout
  return `PostgreSQL ${/\d+(\.\d+)?/.exec(said)?.[0] ?? '?'}`
}

function findPrograms(environment: NonNullable<Need['environment']>): string | null {
  const root = '/usr/lib/postgresql'
  const debian = existsSync(root)
    ? readdirSync(root)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(root, version, 'bin'))
    : []
  const places = [environment['PG_BIN'] ?? '', ...debian, ...(environment['PATH'] ?? '').split(':')]
  return places.find((place) => place !== '' && existsSync(join(place, 'initdb'))) ?? null
}
