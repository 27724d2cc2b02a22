import { ModelError } from '../../errors.js'
import type { HttpAnswer } from './http-call.js'

/** The server's errors are a status and a text; these words are its own list for memory. Source: ollama llm/status.go, and what older versions say. */
const memoryWords =
  /out of (device )?memory|requires more system memory|(cuda|hip)Malloc failed|failed to allocate|allocation failed|(not enough|insufficient) memory/i
/** The process that held the model ended. Source: ollama llm/llama_server.go. */
const runnerDied = /process has terminated|process no longer running|runner has unexpectedly stopped/i
const badModel =
  /invalid (file magic|model)|error loading model|unsupported model format|may be incompatible/i
const retryableStatuses = new Set([408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529])

/** The error for an answer other than 2xx. @param what was asked for: `the model "x" to load` */
export function errorOfAnswer(answer: HttpAnswer, what: string): ModelError {
  const { status, excerpt } = answer
  const problem = `expected ${what}, got HTTP ${status}: ${excerpt === '' ? 'an empty body' : excerpt}`
  const retryAfterMs = parseRetryAfter(answer.retryAfter)
  const details = retryAfterMs === null ? {} : { retryAfterMs }
  if (status === 404) return new ModelError('MODEL_NOT_FOUND', problem)
  if (status >= 500 && memoryWords.test(excerpt)) return new ModelError('OUT_OF_MEMORY', problem, details)
  if (status >= 500 && runnerDied.test(excerpt)) return new ModelError('MODEL_GONE', problem, details)
  if (status >= 500 && badModel.test(excerpt)) return new ModelError('MODEL_CORRUPT', problem)
  if (retryableStatuses.has(status)) return new ModelError('ENDPOINT_FAILED', problem, details)
  if (status === 400) return new ModelError('MODEL_UNSUPPORTED', problem)
  return new ModelError('ENDPOINT_REFUSED', problem)
}

/** Seconds or an HTTP date, in milliseconds from now; null where it is neither. */
function parseRetryAfter(header: string | null): number | null {
  const value = header?.trim() ?? ''
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? null : Math.max(0, date - Date.now())
}
