import { Worker } from 'node:worker_threads'
import { createHost, type Host } from './host.js'
import type { HostCalls, HostReply } from './messages.js'

/**
 * Starts a module that calls `serve` in a thread. Only for code that may be killed at any moment: JavaScript, not native modules, which abort
 * the whole process when their thread is terminated within a call (docs/engines.md).
 */
export function startThread<Calls extends HostCalls>(
  module: URL,
  { what, data }: { readonly what: string; readonly data?: unknown },
): Host<Calls> {
  // what the process was started with (--inspect, --test) is not for its threads
  const worker = new Worker(module, { workerData: data, execArgv: [], name: what })
  let failure = ''
  worker.on('error', (error) => (failure = ` (${error instanceof Error ? error.message : String(error)})`))
  return createHost<Calls>(
    {
      post: (request) => worker.postMessage(request),
      onReply: (listener) => worker.on('message', (reply: HostReply) => listener(reply)),
      onExit: (listener) => {
        worker.on('exit', (code) => {
          const outOfMemory = failure.includes('memory limit')
          listener({ how: `exit code ${code}${failure}`, outOfMemory })
        })
      },
      kill: () => void worker.terminate(),
    },
    null,
    what,
  )
}
