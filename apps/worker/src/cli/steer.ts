import type { Command } from 'commander'
import type { CommandContext } from './command-line.js'
import { printJson } from './terminal.js'

/** `cancel` and `replay`: one task, one word. */
export function addSteer(program: Command, { api, terminal }: CommandContext): void {
  const descriptions = {
    cancel: 'cancel a task: at once where it waits; where it runs, its handler is told',
    replay: 'put a failed or cancelled task back into the queue',
  }
  for (const [verb, description] of Object.entries(descriptions)) {
    program
      .command(`${verb} <id>`)
      .description(description)
      .action(async (id: string) => {
        printJson(terminal, await api().post(`/tasks/${encodeURIComponent(id)}/${verb}`, null))
      })
  }
}
