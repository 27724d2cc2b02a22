import { createDeferred } from '../../deferred.js'
import { ModelError } from '../../errors.js'
import type { HostCalls, HostReply, HostRequest, InputOf, OutputOf, ReportProgress } from './messages.js'

/** A thread or child process as `createHost` needs it. */
export interface HostBody {
  post(request: HostRequest): void
  onReply(listener: (reply: HostReply) => void): void
  /** Called once, when its memory is back with the system. */
  onExit(listener: (ending: HostEnding) => void): void
  /** Ends it at once, whatever it computes; `onExit` follows. */
  kill(): void
}

export interface HostEnding {
  /** How it ended, for a message: `exit code 134`, `signal SIGKILL`. */
  readonly how: string
  /** True where the system took it for its memory, as far as can be known. */
  readonly outOfMemory: boolean
}

interface CallOptions {
  readonly signal?: AbortSignal
  readonly progress?: ReportProgress
}

/** Calls code in a thread or child. */
export interface Host<Calls extends HostCalls> {
  readonly pid: number | null
  /** True after it ended because the system, or its own limit, left it no memory. */
  endedForMemory(): boolean
  /**
   * Rejects with what the code threw as a `ModelError`, with MODEL_GONE where the host ends before it answers, or with the signal's reason. What computes does not notice an abort and goes on until `end`.
   */
  call<Name extends keyof Calls & string>(
    name: Name,
    input: InputOf<Calls[Name]>,
    options?: CallOptions,
  ): Promise<OutputOf<Calls[Name]>>
  /** Kills it; resolves when its memory is back. May be called twice. */
  end(): Promise<void>
  /** Calls back once, asynchronously, if it ends without `end`; a listener added after that as well. */
  onGone(listener: (reason: ModelError) => void): void
}

interface Pending {
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
  readonly progress: ReportProgress | undefined
}

/** @param what names it in messages: `the process of model "a.onnx"` */
export function createHost<Calls extends HostCalls>(
  body: HostBody,
  pid: number | null,
  what: string,
): Host<Calls> {
  const pending = new Map<number, Pending>()
  const listeners: ((reason: ModelError) => void)[] = []
  const exited = createDeferred<void>()
  let lastId = 0
  let ending = false
  let endedForMemory = false
  let gone: ModelError | null = null

  body.onReply((reply) => {
    const waiting = pending.get(reply.id)
    if (!waiting) return
    if (reply.kind === 'progress') return waiting.progress?.(reply.doneBytes, reply.totalBytes)
    pending.delete(reply.id)
    if (reply.kind === 'done') waiting.resolve(reply.output)
    else waiting.reject(errorOf(reply.fault))
  })
  body.onExit(({ how, outOfMemory }) => {
    endedForMemory = outOfMemory
    gone = new ModelError('MODEL_GONE', `expected ${what} to live, it ended with ${how}`)
    exited.resolve()
    for (const { reject } of pending.values()) reject(gone)
    pending.clear()
    const reason = gone
    if (!ending) for (const listener of listeners) queueMicrotask(() => listener(reason))
  })

  return {
    pid,
    endedForMemory: () => endedForMemory,
    async call(name, input, { signal, progress } = {}) {
      signal?.throwIfAborted()
      if (gone) throw gone
      const id = (lastId += 1)
      const answer = createDeferred<unknown>()
      pending.set(id, { resolve: answer.resolve, reject: answer.reject, progress })
      const abort = (): void => {
        if (!pending.delete(id)) return
        answer.reject(signal?.reason)
        body.post({ id, cancel: true })
      }
      signal?.addEventListener('abort', abort)
      body.post({ id, call: name, input })
      try {
        return (await answer.promise) as OutputOf<Calls[typeof name]>
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },
    async end() {
      ending = true
      if (!gone) body.kill()
      await exited.promise
    },
    onGone(listener) {
      const reason = gone
      if (!reason) listeners.push(listener)
      else if (!ending) queueMicrotask(() => listener(reason))
    },
  }
}

function errorOf(fault: { code: ModelError['code']; problem: string; retryAfterMs?: number }): ModelError {
  const { code, problem, retryAfterMs } = fault
  return new ModelError(code, problem, retryAfterMs === undefined ? {} : { retryAfterMs })
}

/** What a load rejects with whose host ended under it. */
export function loadErrorOf(host: Pick<Host<HostCalls>, 'endedForMemory'>, error: unknown): unknown {
  if (!host.endedForMemory()) return error
  return new ModelError(
    'OUT_OF_MEMORY',
    'expected memory enough for the load, its host ended for want of it',
    {
      cause: error,
    },
  )
}
