import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'
import { expectFile, expectFolderOf, queueFileOf } from './queue-file.js'
import { printJson } from './terminal.js'

export function addBackup(program: Command, context: CommandContext): void {
  const { terminal, cwd, end } = context
  program
    .command('backup <file>')
    .description('copy the queue of DATA_DIR into one file, while workers use it or not, and check the copy')
    .option('--force', 'replace the file where it exists')
    .action(async (file: string, { force = false }: { readonly force?: boolean }) => {
      // not imported where it isn't used: node:sqlite is experimental on Node.js 22
      const { backupQueue } = await import('@mcp-worker/runtime/sqlite')
      const to = resolve(cwd, file)
      const path = queueFileOf(context)
      expectFile(path, 'the queue of a worker; DATA_DIR says where')
      expectFolderOf(to)
      const outcome = await backupQueue(path, to, { replace: force })
      if (outcome.kind === 'is_queue') {
        terminal.printError(`${file} is the queue itself: expected the name of another file\n`)
        return end(1)
      }
      if (outcome.kind === 'exists') {
        terminal.printError(`${file} exists: expected a new name, or --force to replace it\n`)
        return end(1)
      }
      const { tasks, damaged, damagedIds } = outcome.report
      if (damaged > 0) {
        terminal.printError(`${damaged} of the tasks do not match their hash: ${damagedIds.join(', ')}\n`)
      }
      printJson(terminal, { file: to, bytes: statSync(to).size, tasks, damaged })
    })
}
