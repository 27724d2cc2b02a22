import type { Command } from 'commander'
import type { TaskSummaryJson } from './api-client.js'
import type { CommandContext } from './command-context.js'
import { plain, printJson, printTable } from './terminal.js'

interface ListFlags {
  readonly status?: string
  readonly type?: string
  readonly limit?: string
  readonly cursor?: string
  readonly json?: true
}

export function addList(program: Command, { api, terminal }: CommandContext): void {
  program
    .command('list')
    .description('list tasks, newest first: a table on a terminal, else one JSON object')
    .option('--status <status>', 'scheduled, queued, running, retrying, succeeded, failed or cancelled')
    .option('--type <type>')
    .option('--limit <n>', '1 … 1,000, default 50')
    .option('--cursor <cursor>', 'the next page: as the page before gave it')
    .option('--json', 'JSON on a terminal as well')
    .action(async ({ json, ...query }: ListFlags) => {
      const page = await api().get<{ tasks: TaskSummaryJson[]; cursor: string | null }>('/tasks', {
        ...query,
      })
      if (json === true || !terminal.isTty) return printJson(terminal, page)
      printTable(
        terminal,
        ['ID', 'TYPE', 'STATUS', 'PROGRESS', 'ATTEMPTS', 'CREATED', 'ERROR'],
        page.tasks.map(row),
      )
      if (page.cursor !== null) terminal.print(`\nmore: mcp-worker list --cursor ${plain(page.cursor)}\n`)
    })
}

function row(task: TaskSummaryJson): string[] {
  const { progress, error } = task
  const total = progress?.total ?? null
  return [
    task.id,
    task.type,
    task.status,
    progress === null ? '' : `${progress.done}${total === null ? '' : `/${total}`}`,
    `${task.attempts}/${task.max_attempts}`,
    task.created_at,
    error === null ? '' : `${error.code}: ${error.message.slice(0, 60)}`,
  ]
}
