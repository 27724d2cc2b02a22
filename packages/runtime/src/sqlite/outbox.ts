import type { MessagePort } from 'node:worker_threads'
import { toWire } from '../error-wire.js'
import type { WorkerError } from '../errors.js'
import type { Recovered, Wake } from '../queue.js'
import type { Answer, FromResident } from './messages.js'

/** What the main thread is told: the answers of a batch in one message, and with them what happened since the last one. */
export function createOutbox(port: MessagePort) {
  let commitMs: number | null = null
  let recovered: Recovered[] = []

  function post(answers: readonly Answer[], wake: Wake | null, fatal: WorkerError | null = null): void {
    if (answers.length === 0 && !wake && !fatal) return
    const failure = fatal && toWire(fatal, 'store_failed')
    const text = textOf({ answers, wake, commitMs, recovered, fatal: failure })
    if (text === null) {
      // too long for one string: many large answers at once
      const middle = Math.ceil(answers.length / 2)
      post(answers.slice(0, middle), null)
      return post(answers.slice(middle), wake, fatal)
    }
    commitMs = null
    recovered = []
    port.postMessage(text)
  }

  return {
    post,
    noteCommit: (ms: number) => void (commitMs = ms),
    noteRecovered: (one: Recovered) => void recovered.push(one),
  }
}

export type Outbox = ReturnType<typeof createOutbox>

/** Null where it is longer than a string may be; a single answer never is. */
function textOf(message: FromResident): string | null {
  try {
    return JSON.stringify(message)
  } catch (error) {
    if (error instanceof RangeError && message.answers.length > 1) return null
    throw error
  }
}
