/** What a process did to the queue's files and told the world, in the order in which the kernel saw it: read from strace's output. */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { createInterface } from 'node:readline'

/** A file is called by its name, `.` is the folder that holds it. A sync has two moments: only what was written before the first is safe after the second. */
export type Recorded =
  | { readonly did: 'write'; readonly file: string; readonly offset: number; readonly data: Buffer }
  | { readonly did: 'truncate'; readonly file: string; readonly size: number }
  | { readonly did: 'create'; readonly file: string }
  | { readonly did: 'unlink'; readonly file: string }
  | { readonly did: 'sync-begin'; readonly file: string }
  | { readonly did: 'sync-end'; readonly file: string }
  /** A line of JSON in the ledger or the log. */
  | { readonly did: 'tell'; readonly line: Readonly<Record<string, unknown>> }

/** The last ones SQLite is not seen to use: were it to, this recorder would have to learn them. */
const CALLS = 'openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink,pwritev,writev,rename,open,creat'
const BY_NAME = new Set(['openat', 'unlink', 'rename', 'open', 'creat'])
/** Its content is rebuilt from the log at the first open, whatever it was. */
const NOT_DURABLE = /-shm$/

/** To be put before the command. The process that is started is the traced one itself (`-D`), so that signals reach it. */
/** strace writes a while after the process has ended; with this it has written everything. */
export function hasEnded(trace: string, pid: number): boolean {
  return new RegExp(`^${pid} +\\+\\+\\+ (exited|killed)`, 'm').test(tailOf(trace))
}

function tailOf(file: string): string {
  const bytes = Buffer.alloc(4096)
  const descriptor = openSync(file, 'r')
  try {
    const { size } = fstatSync(descriptor)
    const read = readSync(descriptor, bytes, 0, bytes.length, Math.max(0, size - bytes.length))
    return bytes.toString('latin1', 0, read)
  } finally {
    closeSync(descriptor)
  }
}

export function recordTo(trace: string): readonly string[] {
  // prettier-ignore
  return ['strace', '-D', '-f', '--seccomp-bpf', '-y', '-xx', '-s', '4000000', '-e', `trace=${CALLS}`, '-e', 'signal=none', '-o', trace]
}

/** The recording of a process that has ended. Of the files it keeps those that begin with `database`, and the lines written to files in the folders `told`. */
export async function readRecording(
  trace: string,
  database: string,
  told: readonly string[],
): Promise<Recorded[]> {
  const events: Recorded[] = []
  const begun = new Map<string, string>()
  const parse = createParser(database, new Set(told))
  for await (const line of createInterface({ input: createReadStream(trace, 'latin1') })) {
    const pid = line.slice(0, line.indexOf(' '))
    const text = line.slice(pid.length).trimStart()
    if (text.startsWith('+++') || text.startsWith('---')) continue
    if (text.startsWith('<... ')) {
      const whole = `${begun.get(pid) ?? ''}${text.slice(text.indexOf('resumed>') + 'resumed>'.length)}`
      begun.delete(pid)
      events.push(...parse.end(whole))
    } else if (text.endsWith('<unfinished ...>')) {
      const start = text.slice(0, -'<unfinished ...>'.length)
      begun.set(pid, start)
      events.push(...parse.begin(start))
    } else events.push(...parse.begin(text), ...parse.end(text))
  }
  return events
}

function createParser(database: string, told: ReadonlySet<string>) {
  const folder = dirname(database)
  const existing = new Set<string>()

  function nameOf(path: string): string | null {
    if (path === folder) return '.'
    const isOurs = dirname(path) === folder && basename(path).startsWith(basename(database))
    return isOurs && !NOT_DURABLE.test(path) ? basename(path) : null
  }

  function begin(call: string): Recorded[] {
    const name = call.slice(0, call.indexOf('('))
    if (BY_NAME.has(name)) return []
    const path = fileOf(call)
    if (name === 'write' && told.has(dirname(path))) return linesOf(unquote(call))
    const file = nameOf(path)
    if (file === null) return []
    if (name === 'fsync' || name === 'fdatasync') return [{ did: 'sync-begin', file }]
    if (name === 'pwrite64') return [writeOf(call, file)]
    if (name === 'ftruncate')
      return [{ did: 'truncate', file, size: Number(/, (\d+)\)?/.exec(call.slice(call.indexOf('>')))?.[1]) }]
    throw new Error(`the recorder does not know ${name} of ${path}`)
  }

  function end(call: string): Recorded[] {
    const name = call.slice(0, call.indexOf('('))
    const result = call.slice(call.lastIndexOf(') = ') + 4)
    const failed = result.startsWith('-1') || result.startsWith('?')
    if (name === 'fsync' || name === 'fdatasync') {
      const file = nameOf(fileOf(call))
      return file === null || failed ? [] : [{ did: 'sync-end', file }]
    }
    if (!BY_NAME.has(name)) return []
    const file = nameOf(unhex(/"([^"]*)"/.exec(call)?.[1] ?? ''))
    if (file === null || failed) return []
    if (name !== 'openat' && name !== 'unlink')
      throw new Error(`the recorder does not know ${name} of ${file}`)
    if (name === 'unlink') {
      existing.delete(file)
      return [{ did: 'unlink', file }]
    }
    if (!call.includes('O_CREAT') || existing.has(file)) return []
    existing.add(file)
    return [{ did: 'create', file }]
  }

  return { begin, end }
}

function writeOf(call: string, file: string): Recorded {
  const data = unquote(call)
  const [, length, offset] = /^", (\d+), (\d+)/.exec(call.slice(call.lastIndexOf('"'))) ?? []
  if (data.length !== Number(length))
    throw new Error(`strace kept ${data.length} of ${length} bytes of a write`)
  return { did: 'write', file, offset: Number(offset), data }
}

function linesOf(text: Buffer): Recorded[] {
  return text
    .toString('utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => ({ did: 'tell', line: JSON.parse(line) as Record<string, unknown> }))
}

/** The file behind the descriptor that is the first argument: `pwrite64(21<\x2f…>, …`. */
function fileOf(call: string): string {
  return unhex(call.slice(call.indexOf('<') + 1, call.indexOf('>')))
}

function unquoted(call: string): string {
  return call.slice(call.indexOf('"') + 1, call.lastIndexOf('"'))
}

function unquote(call: string): Buffer {
  return Buffer.from(unquoted(call).replaceAll('\\x', ''), 'hex')
}

function unhex(text: string): string {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex').toString('utf8')
}
