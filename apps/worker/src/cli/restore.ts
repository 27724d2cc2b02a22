import { resolve } from 'node:path'
import { isWorkerError, type WorkerError } from '@mcp-worker/runtime'
import type { Command } from 'commander'
import type { CommandContext } from './command-context.js'
import { expectFile, queueFileOf } from './queue-file.js'
import { plain, printJson } from './terminal.js'

export function addRestore(program: Command, context: CommandContext): void {
  const { terminal, cwd, end } = context
  program
    .command('restore <file>')
    .description('put a backup in the place of the queue of DATA_DIR, which is kept aside; no worker may run')
    .option(
      '--force',
      'restore also where tasks of the backup are damaged; each of them will fail as corrupt',
    )
    .action(async (file: string, { force = false }: { readonly force?: boolean }) => {
      const { restoreQueue } = await import('@mcp-worker/runtime/sqlite')
      const path = queueFileOf(context)
      const from = resolve(cwd, file)
      expectFile(from, 'a backup')
      const outcome = refusedOr(() => restoreQueue(from, path, { acceptDamaged: force }))
      if (isWorkerError(outcome)) {
        terminal.printError(`${plain(`${outcome.code}: ${outcome.message}`)}\n${remedyOf(outcome)}\n`)
        return end(1)
      }
      if (outcome.kind === 'in_use') {
        terminal.printError(`${path} is in use by ${whoHas(outcome.workers)}: stop it first\n`)
        return end(1)
      }
      if (outcome.kind === 'damaged') {
        const { damaged, tasks, damagedIds } = outcome.report
        const which = `${damaged} of ${tasks} tasks do not match their hash: ${damagedIds.join(', ')}`
        terminal.printError(`${file}: ${which}\nTake an older backup, or restore it with --force\n`)
        return end(1)
      }
      const { report, setAside, released, workers } = outcome
      printJson(terminal, { queue: path, tasks: report.tasks, released, set_aside: setAside })
      if (workers === 0) return
      terminal.printError(
        'a worker was started meanwhile, maybe on the queue that was set aside: restart it\n',
      )
      end(1)
    })
}

function refusedOr<T>(work: () => T): T | WorkerError {
  try {
    return work()
  } catch (error) {
    if (isWorkerError(error)) return error
    throw error
  }
}

/** The file is to blame, and the queue in DATA_DIR is as it was. */
function remedyOf(error: WorkerError): string {
  return error.code === 'store_failed' ? 'Nothing was changed. Take another backup.' : error.remedy
}

function whoHas(workers: number): string {
  if (workers === 0) return 'another program'
  return workers === 1 ? 'a worker' : `${workers} workers`
}
