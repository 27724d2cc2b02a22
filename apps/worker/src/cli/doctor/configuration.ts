import { tmpdir } from 'node:os'
import { createWorker, type Fault, isWorkerError, memoryQueue } from '@mcp-worker/runtime'
import { pino } from 'pino'
import { type Configuration, readConfiguration } from '../../configuration.js'
import { readEnvironment } from '../../environment.js'
import { fault, type Finding, ok, type Patient, skipped, warning } from './finding.js'

/** Never rejects. Null where there are faults, one finding each. */
export async function checkConfiguration({
  env,
  cwd,
}: Pick<Patient, 'env' | 'cwd'>): Promise<{ configuration: Configuration | null; findings: Finding[] }> {
  const suspects = readEnvironment(env).suspects.map(({ given, nearest }) =>
    warning('configuration', `${given} is no variable of the worker`, `Did you mean ${nearest}?`),
  )
  try {
    const configuration = await readConfiguration(env, cwd)
    const findings = suspects.length > 0 ? suspects : [ok('configuration', whereFrom(configuration))]
    return { configuration, findings }
  } catch (error) {
    return { configuration: null, findings: [...faultsOf('configuration', error), ...suspects] }
  }
}

function whereFrom({ environment }: Configuration): string {
  const file = environment.WORKER_CONFIG
  return file === null ? 'the environment, no file' : `the environment and ${file}`
}

function faultsOf(check: 'configuration' | 'plugins', error: unknown): Finding[] {
  if (!isWorkerError(error)) {
    return [
      fault(check, error instanceof Error ? error.message : String(error), 'Mend what the message names'),
    ]
  }
  const faults: readonly Fault[] =
    error.faults.length > 0 ? error.faults : [{ path: error.code, message: error.message }]
  return faults.map(({ path, message }) => fault(check, `${path}: ${message}`, remedyFor(path)))
}

function remedyFor(path: string): string {
  if (/^[A-Z][A-Z_]+$/.test(path)) return `Set ${path} as expected, or leave it unset: docs/configuration.md`
  return 'Mend this entry as expected: docs/configuration.md, and the README of the plugin'
}

/** How far the trial start goes: past the handshake, before anything is opened. */
class Opened extends Error {}

const open = () => Promise.reject(new Opened('the handshake is done'))

/** Whether the plugins fit together, by the worker's own handshake, and the schedules with them; none of them is set up. */
export async function checkPlugins({ configuration }: Patient): Promise<Finding[]> {
  if (configuration === null) return [skipped('plugins', 'the configuration has faults')]
  const { plugins, hosts, config } = configuration
  const logger = pino({ level: 'silent' })
  const trial = createWorker({
    plugins,
    hosts,
    schedules: config.schedules,
    queue: { ...memoryQueue(), open },
    dataDir: tmpdir(),
    logger,
  })
  try {
    await trial.start()
  } catch (error) {
    if (!(error instanceof Opened)) return faultsOf('plugins', error)
  }
  return [ok('plugins', plugins.map(({ name, version }) => `${name} ${version}`).join(', '))]
}
