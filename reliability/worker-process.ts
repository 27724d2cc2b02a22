import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Lab } from './lab.ts'
import { monotonicMs } from './monotonic.ts'
import type { Answers, FromProgram, ProgramConfig, Question } from './program-config.ts'

/** How a process ended. `at`: when the parent heard of it, in monotonic milliseconds. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly at: number
}

/** A worker program as a process of its own. Times are monotonic milliseconds. */
export interface WorkerProcess {
  readonly name: string
  readonly pid: number
  readonly spawnedAt: number
  /** Resolves when it has started; null where it ended before. */
  readonly ready: Promise<number | null>
  readonly exited: Promise<Exit>
  /** Why it refused to start, if it did. */
  refusal(): { readonly code: string; readonly message: string } | null
  ask<K extends Question['ask']>(question: Extract<Question, { ask: K }>): Promise<Answers[K]>
  /** Answers when the signal was sent. */
  signal(signal: NodeJS.Signals): number
}

export interface SpawnOptions {
  readonly lab: Lab
  readonly name: string
  readonly config: ProgramConfig
  readonly log: string
  readonly errors: string
  readonly environment: Readonly<Record<string, string>>
  /** A program that runs it and becomes it, such as `strace -D …`. */
  readonly prefix: readonly string[]
}

export function spawnWorker(options: SpawnOptions): WorkerProcess {
  const { lab, name, config, log, errors, environment, prefix } = options
  const [out, err] = [openSync(log, 'a'), openSync(errors, 'a')]
  const spawnedAt = monotonicMs()
  const programs = ['--import', lab.program('crash-hook'), lab.program('worker-program')]
  const [command = process.execPath, ...args] = [...prefix, process.execPath, ...programs]
  const child = spawn(command, args, {
    cwd: config.dir,
    env: { PATH: process.env['PATH'], ...environment, PROGRAM: JSON.stringify(config) },
    stdio: ['ignore', out, err, 'ipc'],
  })
  closeSync(out)
  closeSync(err)
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal, at: monotonicMs() }))
  })
  const line = createLine(child, name, exited)
  return {
    name,
    pid: child.pid!,
    spawnedAt,
    exited,
    ...line,
    signal(signal) {
      const at = monotonicMs()
      child.kill(signal)
      return at
    },
  }
}

/** The IPC line: questions by number, all rejected when the process ends. */
function createLine(child: ChildProcess, name: string, exited: Promise<Exit>) {
  const open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let refusal: { code: string; message: string } | null = null
  let last = 0
  let over = false
  const ready = new Promise<number | null>((resolve) => {
    child.on('message', (message: FromProgram) => {
      if (message.told === 'ready') resolve(message.t)
      if (message.told === 'refused') refusal = message
      if (message.told !== 'answer' && message.told !== 'error') return
      const question = open.get(message.ref)
      open.delete(message.ref)
      if (message.told === 'answer') question?.resolve(message.value as never)
      else question?.reject(new Error(`${name}: ${message.code}: ${message.message}`))
    })
    void exited.then(() => resolve(null))
  })
  void exited.then(() => {
    over = true
    for (const { reject } of open.values()) reject(new Error(`${name} ended before it answered`))
    open.clear()
  })
  return {
    ready,
    refusal: () => refusal,
    ask<K extends Question['ask']>(question: Extract<Question, { ask: K }>): Promise<Answers[K]> {
      return new Promise((resolve, reject) => {
        if (over) return reject(new Error(`${name} has ended`))
        const ref = ++last
        open.set(ref, { resolve, reject })
        child.send({ ...question, ref }, () => {})
      })
    },
  }
}
