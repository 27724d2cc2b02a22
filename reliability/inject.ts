/** Makes system calls of a running process on one file fail, by strace. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'

export interface Injection {
  /** Wall time of the first call that was made to fail, in milliseconds; null: none was. */
  firstAt(): number | null
  /** How many calls were made to fail. */
  count(): number
  /** From now on calls work again. */
  end(): Promise<void>
}

export interface InjectOptions {
  readonly pid: number
  readonly file: string
  readonly calls: string
  readonly error: 'EIO' | 'ENOSPC'
  /** Only the first call; else all. */
  readonly once: boolean
  /** Where strace writes. */
  readonly trace: string
}

/** Resolves when every thread of the process is watched. */
export async function inject({
  pid,
  file,
  calls,
  error,
  once: single,
  trace,
}: InjectOptions): Promise<Injection> {
  const when = single ? ':when=1' : ''
  // prettier-ignore
  const args = ['-f', '-ttt', '-p', String(pid), '-P', file, '-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}${when}`, '-o', trace]
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(strace, 'exit')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    strace.once('error', reject)
    strace.once('exit', () => reject(new Error(`strace cannot watch the process: ${said}`)))
    strace.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (/Process \d+ attached/.test(said)) resolve()
    })
  })
  const failed = () =>
    (existsSync(trace) ? readFileSync(trace, 'latin1') : '')
      .split('\n')
      .filter((line) => line.includes('(INJECTED)'))
  return {
    count: () => failed().length,
    firstAt() {
      const [first] = failed()
      return first === undefined ? null : Number(/^\d+ +([\d.]+)/.exec(first)?.[1]) * 1000
    },
    async end() {
      strace.kill('SIGTERM')
      await ended
    },
  }
}
