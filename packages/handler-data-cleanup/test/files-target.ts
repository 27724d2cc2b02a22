import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LATER_MS, createHarness } from './cleanup-harness.js'
import { tempFolder } from './temp-folder.js'

/** A folder of its own as the target `temp_files`, with what runs on it, lists it and fills it. */
export async function filesTarget(target: Record<string, unknown> = {}) {
  const root = await tempFolder()
  const harness = await createHarness({ targets: { temp_files: { kind: 'files', root, ...target } } })
  const run = (payload: Record<string, unknown> = {}, context = {}) =>
    harness.run({ target: 'temp_files', older_than: '24h', ...payload }, context)
  const preview = (input: Record<string, unknown> = {}) =>
    harness.preview({ target: 'temp_files', older_than: '24h', ...input })
  const make = async (path: string, content = 'x') => {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), content)
  }
  /** As if it had been changed so long before the run. */
  const age = (path: string, ms: number) => {
    const at = (Date.now() + LATER_MS - ms) / 1000
    return utimes(join(root, path), at, at)
  }
  return { root, run, preview, make, age }
}
