import { Worker } from 'node:worker_threads'
import { createHost, type Host } from './host.js'
import type { HostCalls, HostReply } from './messages.js'

/**
 * Starts a module that calls `serve` in a thread. Only for code that may be killed at any moment: JavaScript, not native modules, which abort
 * the whole process when their thread is terminated within a call (docs/engines.md).
 */
export function startThread<Calls extends HostCalls>(
  module: URL,
  { what, memoryMb }: { readonly what: string; readonly memoryMb?: number },
): Host<Calls> {
  // what the process was started with (--inspect, --test) is not for its threads
  const worker = new Worker(module, {
    execArgv: [],
    name: 'model-cache',
    resourceLimits: memoryMb === undefined ? {} : { maxOldGenerationSizeMb: memoryMb },
  })
  let failure: Error | null = null
  worker.on('error', (error) => {
    failure = error instanceof Error ? error : new Error(String(error))
  })
  return createHost<Calls>(
    {
      post: (request) => worker.postMessage(request),
      onReply: (listener) => worker.on('message', (reply: HostReply) => listener(reply)),
      onExit: (listener) => {
        worker.on('exit', (code) => {
          const said = failure === null ? '' : ` (${failure.message})`
          listener({ how: `exit code ${code}${said}`, outOfMemory: isOutOfMemory(failure) })
        })
      },
      kill: () => void worker.terminate(),
    },
    null,
    what,
  )
}

function isOutOfMemory(error: Error | null): boolean {
  return error !== null && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
}
