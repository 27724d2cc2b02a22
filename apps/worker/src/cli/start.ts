import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'

export function addStart(program: Command, { start, startReloading, end }: CommandContext): void {
  program
    .command('start')
    .description('run the worker service, configured by the environment (docs/configuration.md)')
    .option('--reload', 'restart when the configuration file or the code of a plugin changes')
    .action(async ({ reload }: { readonly reload?: true }) => {
      end(await (reload === true ? startReloading() : start()))
    })
}
