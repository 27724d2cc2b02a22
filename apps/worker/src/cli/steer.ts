import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'
import { numberOf, UsageError } from './json-argument.js'
import { printJson } from './terminal.js'

interface Flags {
  readonly type?: string
  readonly status?: readonly string[]
  readonly createdBefore?: string
  readonly createdAfter?: string
  readonly limit?: string
  readonly dryRun?: true
}

/** `cancel` and `replay`: one task by its id, or all that match. */
export function addSteer(program: Command, { api, terminal }: CommandContext): void {
  const descriptions = {
    cancel: 'cancel a task, or all that match: at once where it waits; where it runs, its handler is told',
    replay: 'put a failed or cancelled task back into the queue, or all that match',
  }
  for (const [verb, description] of Object.entries(descriptions)) {
    program
      .command(`${verb} [id]`)
      .description(description)
      .option('--type <type>', 'all of this type')
      .option('--status <status...>', 'all with one of these')
      .option('--created-before <time>', 'all that are older, as 2026-01-31T12:00:00Z')
      .option('--created-after <time>', 'all that are newer')
      .option('--limit <n>', 'so many at most (1000), the newest first')
      .option('--dry-run', 'only say which')
      .action(async (id: string | undefined, flags: Flags) => {
        const body = id === undefined ? JSON.stringify(filterOf(flags)) : noFilter(flags)
        const path = id === undefined ? `/tasks/${verb}` : `/tasks/${encodeURIComponent(id)}/${verb}`
        printJson(terminal, await api().post(path, body))
      })
  }
}

/** Whether there are conditions enough, and right ones, is for the service to say. */
function filterOf({ type, status, createdBefore, createdAfter, limit, dryRun }: Flags): object {
  return {
    ...(type !== undefined && { type }),
    ...(status !== undefined && { status }),
    ...(createdBefore !== undefined && { created_before: createdBefore }),
    ...(createdAfter !== undefined && { created_after: createdAfter }),
    ...(limit !== undefined && { limit: numberOf(limit) }),
    ...(dryRun === true && { dry_run: true }),
  }
}

function noFilter(flags: Flags): null {
  if (Object.keys(flags).length === 0) return null
  throw new UsageError('expected an id, or conditions for many tasks, not both')
}
