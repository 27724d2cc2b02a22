import type { QueueDriver } from './queue.js'
import { isFinal, type Task } from './task.js'

/** What another process may have ended is looked up at least this often while somebody waits. */
const LOOK_EVERY_MS = 1000

interface News {
  readonly heard: Promise<void>
  readonly forget: () => void
}

export interface WaitOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface Waits {
  /** Holds until the task is final, the time is up, or the signal aborts; answers the task as it then stands. */
  wait(
    id: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Task | null>
  /** The task may have become final. */
  notify(id: string): void
  /** Any task may have. */
  notifyAll(): void
  /** Everybody who waits is answered now; resolves when they are. */
  close(): Promise<void>
  isClosed(): boolean
}

const nothing = () => {}

/** Waiting for the end of tasks: told at once of those that end in this process, by a look at the queue of others. */
export function createWaits(queue: Pick<QueueDriver, 'get'>): Waits {
  const waiting = new Map<string, Set<() => void>>()
  const looking = new Set<Promise<unknown>>()
  let closed = false

  function nextNews(id: string, timeoutMs: number, signal: AbortSignal | undefined): News {
    let done: () => void = nothing
    const heard = new Promise<void>((resolve) => {
      done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        forget(id, done)
        resolve()
      }
      const timer = setTimeout(done, Math.min(timeoutMs, LOOK_EVERY_MS))
      signal?.addEventListener('abort', done, { once: true })
      const listeners = waiting.get(id) ?? new Set()
      waiting.set(id, listeners.add(done))
    })
    return { heard, forget: done }
  }

  function forget(id: string, done: () => void): void {
    const listeners = waiting.get(id)
    listeners?.delete(done)
    if (listeners?.size === 0) waiting.delete(id)
  }

  function notify(id: string): void {
    for (const done of waiting.get(id) ?? []) done()
  }

  function notifyAll(): void {
    for (const id of waiting.keys()) notify(id)
  }

  async function look(id: string, { timeoutMs, signal }: WaitOptions): Promise<Task | null> {
    const end = performance.now() + timeoutMs
    for (;;) {
      // listen first, look second: an end between the two is not missed
      const left = end - performance.now()
      const news = nextNews(id, Math.max(0, left), signal)
      const task = await queue.get(id)
      const over = left <= 0 || signal?.aborted || closed
      if (!task || isFinal(task.status) || over) {
        news.forget()
        return task
      }
      await news.heard
    }
  }

  return {
    notify,
    notifyAll,
    isClosed: () => closed,
    async close() {
      closed = true
      notifyAll()
      await Promise.allSettled(looking)
    },
    wait(id, options) {
      const answer = look(id, options)
      looking.add(answer)
      const forgotten = () => void looking.delete(answer)
      answer.then(forgotten, forgotten)
      return answer
    },
  }
}
