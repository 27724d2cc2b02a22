import type { Command } from 'commander'
import type { AcceptedJson } from './api-client.js'
import type { CommandContext } from './command-context.js'
import { jsonArgument, numberOf } from './json-argument.js'
import { printJson } from './terminal.js'
import { waitForTask } from './wait-for-task.js'

interface SubmitFlags {
  readonly wait?: true
  readonly id?: string
  readonly key?: string
  readonly priority?: string
  readonly delay?: string
  readonly runAt?: string
  readonly expiresAt?: string
  readonly timeout?: string
  readonly maxAttempts?: string
  readonly payloadVersion?: string
}

export function addSubmit(program: Command, { api, terminal, end }: CommandContext): void {
  program
    .command('submit <type> <payload>')
    .description('submit a task; the payload is JSON, @file, or - for standard input')
    .option('--wait', 'wait until it is final; exit code 1 unless it succeeded')
    .option('--id <id>', 'its id; the same id and payload again is a duplicate')
    .option('--key <key>', 'idempotency key')
    .option('--priority <points>', '-100 … 100; one point is worth a minute of waiting')
    .option('--delay <duration>', 'not before: seconds, or "10m"')
    .option('--run-at <time>', 'not before: as 2026-01-31T12:00:00Z')
    .option('--expires-at <time>', 'not started by then, it fails with `expired`')
    .option('--timeout <duration>', 'limit of one delivery')
    .option('--max-attempts <n>', 'attempts that may fail')
    .option('--payload-version <n>', "version of the payload's schema")
    .action(async (type: string, payload: string, flags: SubmitFlags) => {
      const body = submitBody(type, await jsonArgument(payload, terminal), flags)
      const headers = flags.key === undefined ? {} : { 'idempotency-key': flags.key }
      const accepted = await api().post<AcceptedJson>('/tasks', body, headers)
      if (flags.wait !== true) return printJson(terminal, accepted)
      const task = await waitForTask(accepted.id, api(), terminal)
      if (task === null) {
        terminal.printError(`not waiting any more; the task goes on: mcp-worker get ${accepted.id}\n`)
        return end(130)
      }
      printJson(terminal, task)
      return end(task.status === 'succeeded' ? 0 : 1)
    })
}

/** The payload's text is put in as it was given: parsing it here would round its large numbers. */
function submitBody(type: string, payload: string, flags: SubmitFlags): string {
  const options = {
    type,
    id: flags.id,
    priority: numberOf(flags.priority),
    delay: flags.delay,
    run_at: flags.runAt,
    expires_at: flags.expiresAt,
    timeout: flags.timeout,
    max_attempts: numberOf(flags.maxAttempts),
    version: numberOf(flags.payloadVersion),
  }
  return `${JSON.stringify(options).slice(0, -1)},"payload":${payload}}`
}
