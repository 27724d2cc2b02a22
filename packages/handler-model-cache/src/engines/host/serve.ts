import { parentPort } from 'node:worker_threads'
import { faultOf } from './engine-fault.js'
import type { HostCalls, HostReply, HostRequest } from './messages.js'

/** Answers the engine's requests in this thread or child until it is killed. A child whose parent is gone ends itself. */
export function serve(calls: HostCalls): void {
  const port = parentPort
  if (port) {
    port.on(
      'message',
      createAnswer(calls, (reply) => port.postMessage(reply)),
    )
    return
  }
  process.on('disconnect', () => process.exit())
  // Ctrl-C goes to the whole process group; the worker ends its children when nothing needs them any more
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})
  process.on(
    'message',
    createAnswer(calls, (reply) => process.send?.(reply)),
  )
}

function createAnswer(calls: HostCalls, send: (reply: HostReply) => void): (request: HostRequest) => void {
  const running = new Map<number, AbortController>()

  async function answer(id: number, call: string, input: unknown): Promise<void> {
    const controller = new AbortController()
    running.set(id, controller)
    const progress = (doneBytes: number, totalBytes: number | null): void => {
      send({ kind: 'progress', id, doneBytes, totalBytes })
    }
    try {
      const run = calls[call]
      if (!run) throw new TypeError(`expected one of ${Object.keys(calls).join(', ')}, got ${call}`)
      send({ kind: 'done', id, output: await run(input as never, { progress, signal: controller.signal }) })
    } catch (error) {
      send({ kind: 'failed', id, fault: faultOf(error) })
    } finally {
      running.delete(id)
    }
  }
  return (request) => {
    if ('cancel' in request) running.get(request.id)?.abort()
    else void answer(request.id, request.call, request.input)
  }
}
