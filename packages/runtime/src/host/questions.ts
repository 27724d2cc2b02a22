import { WorkerError } from '../errors.js'
import { fromThrownWire } from './thrown-wire.js'
import type { Answer } from './port.js'

/** Questions put to the other side of a port that wait for their answers. */
export interface Questions {
  /** `send` is given the reference under which the answer will come; what it throws is the question's end. */
  put(send: (ref: number) => void): { readonly ref: number; readonly answered: Promise<unknown> }
  answer(ref: number, answer: Answer): void
  /** The other side is gone: all that wait reject. */
  fail(error: Error): void
}

export function createQuestions(): Questions {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  let last = 0
  return {
    put(send) {
      const ref = ++last
      const answered = new Promise<unknown>((resolve, reject) => {
        waiting.set(ref, { resolve, reject })
        try {
          send(ref)
        } catch (error) {
          waiting.delete(ref)
          reject(error)
        }
      })
      return { ref, answered }
    },
    answer(ref, answer) {
      const question = waiting.get(ref)
      waiting.delete(ref)
      if (answer.ok) question?.resolve(answer.value)
      else question?.reject(fromThrownWire(answer.error))
    },
    fail(error) {
      for (const question of waiting.values()) question.reject(error)
      waiting.clear()
    },
  }
}

/** What a port throws at a message that cannot be cloned. */
export function isCloneError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'DataCloneError'
}

/** In place of a `DataCloneError` one that says what it was that could not be sent; any other error as it is. */
export function clearCloneError(error: unknown, what: string): unknown {
  if (!isCloneError(error)) return error
  const message = `${what} cannot cross threads: only plain data can (${error.message})`
  return new WorkerError('invalid_input', message, { cause: error })
}
