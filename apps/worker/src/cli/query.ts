import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'
import { jsonArgument } from './json-argument.js'
import { printJson } from './terminal.js'

export function addQuery(program: Command, { api, terminal }: CommandContext): void {
  program
    .command('query <name> <input>')
    .description("ask a plugin's query; the input is JSON, @file, or - for standard input")
    .action(async (name: string, input: string) => {
      const body = await jsonArgument(input, terminal)
      printJson(terminal, await api().post(`/queries/${encodeURIComponent(name)}`, body))
    })
}
