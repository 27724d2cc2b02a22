import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'

export interface Server {
  readonly url: string
  /** Name and version. */
  readonly version: string
  /** Ends the server, waits for its end, deletes its data. A second call does nothing; a server that was found is left alone. */
  stop(): Promise<void>
}

export interface Command {
  readonly program: string
  readonly options: readonly string[]
  readonly folder: string
  /** Who runs it; absent: this process's own user. */
  readonly user?: { readonly uid: number; readonly gid: number }
  /** Where the line comes that says that it is ready. */
  readonly says: 'stdout' | 'stderr'
  readonly ready: RegExp
}

/** Resolves at the line, then keeps the pipe flowing so that the server never blocks on it. Rejects with its output where it does not start. */
export async function startProcess(command: Command): Promise<ChildProcess> {
  const { program, options, folder, user, says, ready } = command
  const stdio =
    says === 'stdout' ? (['ignore', 'pipe', 'ignore'] as const) : (['ignore', 'ignore', 'pipe'] as const)
  const child: ChildProcess = spawn(program, options, { ...user, cwd: folder, stdio: [...stdio] })
  const output = child[says]
  if (output === null) throw new Error('expected a pipe')
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: output }).on('line', (line) => {
      if (seen.length < 50) seen.push(line)
      if (ready.test(line)) resolve()
    })
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}:\n${seen.join('\n')}`)))
  })
  return child
}

/** Until the processes that the server itself started are gone too: they hold its pipe. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  child.kill('SIGCONT') // a frozen server does not see the next signal
  child.kill(signal)
  await ended
}

/** Of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
