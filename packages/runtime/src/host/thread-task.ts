import type { AbortReason } from '../plugin.js'
import { abortReasonOf, afterAbort } from './execute.js'
import type { Outcome, Work } from './host.js'
import type { PortTask } from './port.js'
import { settledWithin } from './race-abort.js'
import type { ThreadLink } from './thread-link.js'
import type { TaskListener } from './thread-receive.js'

/** A thread that is in native code ends only when that returns. Its task is left behind after this long. */
const KILL_WAIT_MS = 5_000

/**
 * Runs one delivery in a thread that is ready. Abort, in this order: the thread is told; where it does not even see that within
 * `acknowledgeMs` it is computing and is killed now, else it has the grace, and then it is killed.
 */
export function performInThread(link: ThreadLink, work: Work, acknowledgeMs: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const signal = work.signal()
    let reason: AbortReason | null = null
    let timer: NodeJS.Timeout | undefined
    let ended = false
    const end = (outcome: Outcome) => {
      if (ended) return
      ended = true
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      link.listen(null)
      resolve(outcome)
    }
    const kill = async (why: AbortReason) => {
      const gone = await settledWithin(link.kill(), KILL_WAIT_MS)
      end(gone ? { kind: 'aborted', reason: why, killed: true } : { kind: 'abandoned', reason: why })
    }
    const killAfter = (ms: number, why: AbortReason) => {
      clearTimeout(timer)
      timer = setTimeout(() => void kill(why), ms)
    }
    const abort = () => {
      reason = abortReasonOf(signal)
      if (!link.alive()) return
      link.send({ kind: 'abort', fence: work.fence, reason })
      killAfter(Math.min(acknowledgeMs, work.graceMs), reason)
    }
    link.listen(
      listenerOf(work, {
        outcome: (outcome) => end(reason === 'lease_lost' ? afterAbort(outcome, reason) : outcome),
        abortSeen: () => reason !== null && killAfter(work.graceMs, reason),
      }),
    )
    void link.died.then(({ expected, why }) => end(outcomeOfDeath(expected, why, reason)))
    link.send({ kind: 'perform', task: portTask(work) })
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

/** A thread that was told to end was so for the abort, or because its host stops. */
function outcomeOfDeath(expected: boolean, why: string, reason: AbortReason | null): Outcome {
  if (expected) return { kind: 'aborted', reason: reason ?? 'shutdown', killed: true }
  const error = { code: 'host_crashed', message: `the thread ended under the task: ${why}` }
  return { kind: 'crashed', error }
}

function listenerOf(work: Work, on: { outcome(outcome: Outcome): void; abortSeen(): unknown }): TaskListener {
  const { reports } = work
  return {
    fence: work.fence,
    hear(message) {
      if (message.kind === 'progress') reports.progress(message.progress)
      else if (message.kind === 'abort_seen') on.abortSeen()
      else on.outcome(message.outcome)
    },
    log: ({ level, event, fields }) => reports.log[level](event, fields),
    ask: (question) =>
      question.what === 'checkpoint'
        ? reports.checkpoint(question.value)
        : reports.submit(question.type, question.payload, question.options),
  }
}

function portTask(work: Work): PortTask {
  const { fence, taskId, type, version, payload, checkpoint, attempt, delivery, deadline, graceMs } = work
  return { fence, taskId, type, version, payload, checkpoint, attempt, delivery, deadline, graceMs }
}
