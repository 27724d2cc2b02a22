import type { Command } from 'commander'
import type { TaskJson } from './api-client.js'
import type { CommandContext } from './command-context.js'
import { printJson } from './terminal.js'

export function addGet(program: Command, { api, terminal }: CommandContext): void {
  program
    .command('get <id>')
    .description('show a task')
    .option('--wait <seconds>', 'hold until it is final, at most this long (60)')
    .action(async (id: string, flags: { readonly wait?: string }) => {
      printJson(terminal, await api().get<TaskJson>(`/tasks/${encodeURIComponent(id)}`, { wait: flags.wait }))
    })
  program
    .command('explain <id>')
    .description('say why a task is not running')
    .action(async (id: string) => {
      printJson(terminal, await api().get(`/tasks/${encodeURIComponent(id)}/explain`))
    })
}
