import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'
import { printJson } from './terminal.js'

/** `pause` and `resume` a type. */
export function addPause(program: Command, { api, terminal }: CommandContext): void {
  const descriptions = {
    pause:
      'stop running tasks of a type, on all workers and across restarts; submits are accepted, what runs goes on',
    resume: 'go on running tasks of a type',
  }
  for (const [verb, description] of Object.entries(descriptions)) {
    program
      .command(`${verb} <type>`)
      .description(description)
      .action(async (type: string) => {
        printJson(terminal, await api().post(`/types/${encodeURIComponent(type)}/${verb}`, null))
      })
  }
}
