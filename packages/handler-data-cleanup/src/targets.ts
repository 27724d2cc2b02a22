import { decideRoot, resolveFuture } from './files/root.js'
import { type DataCleanupOptions, type Target, tempFilesTarget, taskResultsTarget } from './options.js'

/**
 * The targets of the options. A configured root that could never be cleaned ends the start, all of them at once; the default one is only refused
 * when a task names it, since nobody has asked for it.
 */
export async function targetsOf(
  options: DataCleanupOptions,
  dataDir: string,
): Promise<Readonly<Record<string, Target>>> {
  const { targets, tempRoot } = options
  if (targets === undefined && tempRoot === undefined) return defaultTargets(undefined)
  const named = targets === undefined ? defaultTargets(tempRoot) : withTemp(targets, tempRoot)
  const own = await resolveFuture(dataDir)
  const faults = Object.entries(named).flatMap(([name, target]) => {
    if (!('root' in target)) return []
    const refusal = decideRoot(target.root, own)
    return refusal === null
      ? []
      : [`targets.${name}.root: ${JSON.stringify(target.root)} is refused: ${refusal}`]
  })
  if (faults.length === 0) return named
  throw new TypeError(`${faults.join('; ')}; configure folders that hold nothing else`)
}

function defaultTargets(tempRoot: string | undefined): Readonly<Record<string, Target>> {
  return {
    temp_files: tempFilesTarget(tempRoot),
    task_results: taskResultsTarget.parse({ kind: 'task_results' }),
  }
}

function withTemp(
  targets: Readonly<Record<string, Target>>,
  tempRoot: string | undefined,
): Readonly<Record<string, Target>> {
  return tempRoot === undefined ? targets : { temp_files: tempFilesTarget(tempRoot), ...targets }
}
