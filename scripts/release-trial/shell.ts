import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Ran {
  readonly code: number | null
  /** Standard output and standard error, as they came. */
  readonly said: string
}

export type RunOptions = { readonly cwd: string; readonly env?: NodeJS.ProcessEnv }

/** Answers whatever the exit code is; the output is collected, not shown. */
export async function tryRun(command: readonly string[], { cwd, env }: RunOptions): Promise<Ran> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, said }
}

/** Throws with all that the command said unless it ends with 0. Answers its standard output and standard error. */
export async function run(command: readonly string[], options: RunOptions): Promise<string> {
  const { code, said } = await tryRun(command, options)
  if (code === 0) return said
  throw new Error(`${command.join(' ')} (in ${options.cwd}) ended with ${code}:\n${said.slice(-4_000)}`)
}

/** Standard output only, for what is parsed. */
export async function read(command: readonly string[], { cwd, env }: RunOptions): Promise<string> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { cwd, env: env ?? process.env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  let complained = ''
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return said
  throw new Error(`${command.join(' ')} (in ${cwd}) ended with ${code}:\n${complained.slice(-4_000)}`)
}

export function expectEqual(what: string, got: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`)
}

/** Seconds since the start, before each step. */
export function step(title: string): void {
  console.log(`${Math.round(process.uptime()).toString().padStart(4)}s  ${title}`)
}
