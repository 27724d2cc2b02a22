import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createHost, type Host } from './host.js'
import type { HostCalls, HostReply } from './messages.js'
import { countOomKills } from './oom-kills.js'

const keptErrorCharacters = 1000

/** Starts a module that calls `serve` in a process of its own, for native code: it can be killed in the midst of a call, and cannot take the worker with it. */
export function startChild<Calls extends HostCalls>(
  module: URL,
  { what }: { readonly what: string },
): Host<Calls> {
  const killsBefore = countOomKills()
  const child = fork(fileURLToPath(module), [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let lastWords = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lastWords = (lastWords + text).slice(-keptErrorCharacters)
  })
  // a request to a child that has just died; its end is reported by 'close'
  child.on('error', (error) => (lastWords = error.message))
  return createHost<Calls>(
    {
      post: (request) => void child.send(request),
      onReply: (listener) => child.on('message', (reply) => listener(reply as HostReply)),
      onExit: (listener) => {
        child.on('close', (code, signal) => {
          const said = lastWords.trim() === '' ? '' : ` (${lastWords.trim()})`
          const outOfMemory = signal === 'SIGKILL' && countOomKills() > killsBefore
          listener({
            how: `${signal === null ? `exit code ${code}` : `signal ${signal}`}${said}`,
            outOfMemory,
          })
        })
      },
      kill: () => void child.kill('SIGKILL'),
    },
    child.pid ?? null,
    what,
  )
}
