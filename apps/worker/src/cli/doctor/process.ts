import { fault, type Finding, type Machine, mebibytes, ok, warning } from './finding.js'

/** With the built-in plugins; scripts/container-limits.ts measures it. */
const LEAST_MEMORY = 512 * 1024 * 1024
const OLDEST_NODE = [22, 18] as const
const SOUND_SQLITE_SINCE = 24

export function checkNode({ nodeVersion, sqliteVersion }: Machine): Finding {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  const detail = `Node.js ${nodeVersion}, SQLite ${sqliteVersion ?? 'missing'}`
  const [oldestMajor, oldestMinor] = OLDEST_NODE
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    return fault('node', detail, `Run it with Node.js ${oldestMajor}.${oldestMinor} or newer`)
  }
  if (sqliteVersion === null) return fault('node', detail, 'Use a Node.js that is built with node:sqlite')
  if (major < SOUND_SQLITE_SINCE) {
    return warning('node', `${detail}: node:sqlite is experimental in it`, 'Use Node.js 24 or newer')
  }
  return ok('node', detail)
}

export function checkMemory({ memoryLimit }: Machine): Finding {
  if (memoryLimit === null) return ok('memory', 'no limit')
  const detail = `a limit of ${mebibytes(memoryLimit)}`
  if (memoryLimit >= LEAST_MEMORY) return ok('memory', detail)
  return warning(
    'memory',
    detail,
    `Allow at least ${mebibytes(LEAST_MEMORY)}; docs/operating.md says what was measured`,
  )
}
