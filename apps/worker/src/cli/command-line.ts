import { isWorkerError } from '@mcp-worker/runtime'
import { Command, CommanderError } from 'commander'
import { faultLine } from '../faults.js'
import { createApiClient, RefusedError, UnreachableError } from './api-client.js'
import { addBackup } from './backup.js'
import type { CommandContext, CommandLine } from './command-context.js'
import { addDoctor } from './doctor.js'
import { addGet } from './get.js'
import { UsageError } from './json-argument.js'
import { addList } from './list.js'
import { addPause } from './pause.js'
import { addQuery } from './query.js'
import { addRestore } from './restore.js'
import { addSchedules } from './schedules.js'
import { addStart } from './start.js'
import { addSteer } from './steer.js'
import { addSubmit } from './submit.js'
import { plain, type Terminal } from './terminal.js'
import { addTypes } from './types.js'

const EXIT_FAILED = 1
/** EX_USAGE, EX_UNAVAILABLE */
const EXIT_USAGE = 64
const EXIT_UNREACHABLE = 69

/** Runs one command; answers the exit code. */
export async function runCommandLine(argv: readonly string[], given: CommandLine): Promise<number> {
  const { terminal } = given
  let code = 0
  const context: CommandContext = {
    ...given,
    api: () => createApiClient(terminal.env),
    end: (ended) => {
      code = ended
    },
  }
  try {
    await createProgram(context).parseAsync([...argv])
    return code
  } catch (error) {
    return explain(error, terminal)
  }
}

function createProgram(context: CommandContext): Command {
  const { terminal, version } = context
  const program = new Command('mcp-worker')
    .description('MCP Worker: background tasks with a durable queue')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: terminal.print, writeErr: terminal.printError })
    .showHelpAfterError('(mcp-worker --help lists all commands)')
    .addHelpText(
      'after',
      '\ndoctor, backup and restore look at the configuration and DATA_DIR themselves, as start does.' +
        '\nAll others talk to the API at MCP_WORKER_URL (http://127.0.0.1:8000), with API_TOKEN if set.',
    )
  const talking = [addSubmit, addGet, addList, addSteer, addPause, addTypes, addSchedules, addQuery]
  for (const add of [addStart, ...talking, addDoctor, addBackup, addRestore]) add(program, context)
  return program
}

function explain(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  if (error instanceof RefusedError) {
    const { code, detail, remedy, faults = [] } = error.problem
    const lines = faults.map((one) => plain(`  ${faultLine(one)}`))
    terminal.printError(
      `${plain(`${code}: ${detail}`)}\n${lines.map((one) => `${one}\n`).join('')}${plain(remedy ?? '')}\n`,
    )
    return EXIT_FAILED
  }
  if (isWorkerError(error)) {
    terminal.printError(`${plain(`${error.code}: ${error.message}`)}\n${error.remedy}\n`)
    return EXIT_FAILED
  }
  const isKnown = error instanceof UsageError || error instanceof UnreachableError
  terminal.printError(`${isKnown ? plain(error.message) : describe(error)}\n`)
  if (error instanceof UsageError) return EXIT_USAGE
  return error instanceof UnreachableError ? EXIT_UNREACHABLE : EXIT_FAILED
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
