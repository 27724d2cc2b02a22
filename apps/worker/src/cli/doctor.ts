import { resolve } from 'node:path'
import type { Command } from 'commander'
import { readEnvironment } from '../environment.js'
import type { CommandContext } from './command-context.js'
import { checkConfiguration, checkPlugins } from './doctor/configuration.js'
import { counted, type Finding, type Patient } from './doctor/finding.js'
import { checkFolder } from './doctor/folder.js'
import { checkPorts } from './doctor/ports.js'
import { checkMemory, checkNode } from './doctor/process.js'
import { checkQueue } from './doctor/queue.js'
import { plain, printJson } from './terminal.js'

const EXIT_FAULTS = 1

export function addDoctor(program: Command, context: CommandContext): void {
  const { terminal, end } = context
  program
    .command('doctor')
    .description(
      'look for what keeps a worker from starting or working here, and say what to do; changes nothing',
    )
    .option('--json', 'one JSON object')
    .action(async ({ json }: { readonly json?: true }) => {
      const findings = await diagnose(context)
      const count = (status: Finding['status']) => findings.filter((one) => one.status === status).length
      const faults = count('fault')
      const warnings = count('warning')
      if (faults > 0) end(EXIT_FAULTS)
      if (json === true) return printJson(terminal, { ok: faults === 0, faults, warnings, findings })
      for (const finding of findings) terminal.print(lineOf(finding))
      terminal.print(`${counted(faults, 'fault')}, ${counted(warnings, 'warning')}\n`)
    })
}

async function diagnose({ terminal, cwd, machine }: CommandContext): Promise<Finding[]> {
  const { env } = terminal
  const { environment } = readEnvironment(env)
  const { configuration, findings } = await checkConfiguration({ env, cwd })
  const dataDir = resolve(cwd, environment.DATA_DIR)
  const patient: Patient = { env, cwd, machine, environment, configuration, dataDir }
  return [
    checkNode(machine),
    checkMemory(machine),
    ...findings,
    ...(await checkPlugins(patient)),
    ...(await checkFolder(patient)),
    ...(await checkQueue(patient)),
    ...(await checkPorts(patient)),
  ]
}

const WORD = { ok: 'ok', warning: 'WARNING', fault: 'FAULT', skipped: '-' } as const
const INDENT = ' '.repeat(8)

function lineOf({ status, check, detail, remedy }: Finding): string {
  const line = `${WORD[status].padEnd(8)}${check}: ${plain(detail)}\n`
  return remedy === null ? line : `${line}${INDENT}→ ${plain(remedy)}\n`
}
