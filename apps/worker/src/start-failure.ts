import { isWorkerError } from '@mcp-worker/runtime'
import { faultLine } from './faults.js'

/** What a person reads who started the service in vain: every fault on a line of its own. */
export function describeStartFailure(error: unknown): string {
  if (!isWorkerError(error)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return `mcp-worker cannot start: ${text}\n`
  }
  if (error.faults.length === 0) {
    return `mcp-worker cannot start: ${error.message} (${error.code})\n  ${error.remedy}\n`
  }
  const count = error.faults.length === 1 ? 'one fault' : `${error.faults.length} faults`
  const lines = error.faults.map((one) => `  ${faultLine(one)}`)
  return `mcp-worker cannot start: ${count} (${error.code})\n${lines.join('\n')}\n${error.remedy}\n`
}
