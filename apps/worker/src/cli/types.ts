import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'
import { printJson, printTable } from './terminal.js'

interface TypeRow {
  readonly type: string
  readonly plugin: { readonly name: string; readonly version: string; readonly host: string }
  readonly description: string | null
  readonly timeout: number
  readonly paused: boolean
}

interface QueryRow {
  readonly name: string
  readonly description: string | null
}

export function addTypes(program: Command, { api, terminal }: CommandContext): void {
  program
    .command('types')
    .description('list the task types and queries of the worker')
    .option('--json', 'with their JSON Schemas, on a terminal as well')
    .action(async ({ json }: { readonly json?: true }) => {
      const { types } = await api().get<{ types: TypeRow[] }>('/types')
      const { queries } = await api().get<{ queries: QueryRow[] }>('/queries')
      if (json === true || !terminal.isTty) return printJson(terminal, { types, queries })
      printTable(terminal, ['TYPE', 'PLUGIN', 'HOST', 'TIMEOUT', '', 'DESCRIPTION'], types.map(typeRow))
      if (queries.length === 0) return
      terminal.print('\n')
      printTable(
        terminal,
        ['QUERY', 'DESCRIPTION'],
        queries.map((one) => [one.name, one.description ?? '']),
      )
    })
}

function typeRow({ type, plugin, timeout, paused, description }: TypeRow): string[] {
  const from = `${plugin.name} ${plugin.version}`
  return [type, from, plugin.host, `${timeout}s`, paused ? 'paused' : '', description ?? '']
}
