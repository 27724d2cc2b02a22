import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, statSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { createDeferred } from './deferred.js'
import type { StopSignal } from './exit-codes.js'

/** What the child tells its parent once its configuration is read. */
export interface WatchMessage {
  readonly watch: readonly string[]
}

export interface ReloadOptions {
  /** The command of the child: node, its flags, the entry, `start`. */
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  /** Watched before the child has said anything, so that a faulty file can be mended. */
  readonly watched: readonly string[]
  /** Changes below it do not count: the child writes there. */
  readonly dataDir: string
  readonly print: (text: string) => void
  readonly onSignal: (listener: (signal: StopSignal) => void) => void
}

const SETTLE_MS = 200
const CODE = /\.(?:[mc]?[jt]s|json)$/

/**
 * Runs the service as a child, and again whenever its configuration or the code of a plugin changes. The old child drains first
 * (SIGTERM), as in a deploy. Resolves with the last child's exit code after a signal.
 */
export function runReloading(options: ReloadOptions): Promise<number> {
  const { promise, resolve: settle } = createDeferred<number>()
  let child: ChildProcess | null = null
  let ending = false
  let again = false
  const changes = watchCode(options, () => {
    options.print('mcp-worker: something changed, restarting\n')
    if (child === null) start()
    else if (!again) {
      // once: a second signal would end it at once, with its tasks in hand
      again = true
      child.kill('SIGTERM')
    }
  })
  const start = () => {
    again = false
    child = spawnChild(options, changes.add)
    child.once('exit', (code, signal) => {
      child = null
      if (ending) end(code ?? (signal === 'SIGINT' ? 130 : 143))
      else if (again) start()
      else options.print(`mcp-worker: ended with ${code ?? signal}, waiting for a change\n`)
    })
  }
  const end = (code: number) => {
    changes.stop()
    settle(code)
  }
  options.onSignal((signal) => {
    ending = true
    if (child === null) end(0)
    else child.kill(signal)
  })
  start()
  return promise
}

/**
 * The child is in a process group of its own: Ctrl-C reaches the whole group of a terminal, and a second signal would end the child
 * at once. Where the parent dies, the child sees its channel close and stops.
 */
function spawnChild(options: ReloadOptions, addPaths: (paths: readonly string[]) => void): ChildProcess {
  const [file = '', ...args] = options.command
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.on('message', (message: WatchMessage) => addPaths(message.watch))
  return child
}

function watchCode(options: ReloadOptions, onChange: () => void) {
  const watchers = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined
  const changed = (path: string) => {
    if (!isCode(path, options.dataDir)) return
    clearTimeout(timer)
    timer = setTimeout(onChange, SETTLE_MS)
  }
  const add = (paths: readonly string[]) => {
    for (const path of paths) {
      if (watchers.has(path) || path.includes(`${sep}node_modules${sep}`) || !existsSync(path)) continue
      watchers.set(path, watchOne(path, changed))
    }
  }
  add(options.watched)
  const stop = () => {
    clearTimeout(timer)
    for (const one of watchers.values()) one.close()
  }
  return { add, stop }
}

/** A file is watched through its folder: editors replace files, and a watch on the file itself would follow the old one. */
function watchOne(path: string, changed: (path: string) => void): FSWatcher {
  if (statSync(path).isDirectory()) {
    return watch(path, { recursive: true }, (_event, name) => changed(join(path, name ?? '')))
  }
  const [folder, file] = [dirname(path), basename(path)]
  return watch(folder, (_event, name) => {
    if (name === file) changed(path)
  })
}

function isCode(path: string, dataDir: string): boolean {
  const full = resolve(path)
  const isInside = (folder: string) => full.startsWith(`${resolve(folder)}${sep}`)
  return CODE.test(full) && !full.includes(`${sep}node_modules${sep}`) && !isInside(dataDir)
}
