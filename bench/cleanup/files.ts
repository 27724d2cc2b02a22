import { execFileSync } from 'node:child_process'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

const OLD = 1_000_000_000

/** So many small files, in folders of `perFolder`, all old by mtime. */
export async function makeFiles(root: string, count: number, perFolder: number): Promise<void> {
  await rm(root, { recursive: true, force: true })
  await mkdir(root, { recursive: true })
  for (let made = 0; made < count; made += perFolder) {
    const folder = perFolder >= count ? root : join(root, `d${made / perFolder}`)
    await mkdir(folder, { recursive: true })
    const names = Array.from({ length: Math.min(perFolder, count - made) }, (_, i) =>
      join(folder, `file-${made + i}`),
    )
    while (names.length > 0) await Promise.all(names.splice(0, 256).map(makeFile))
    await setImmediate()
  }
  // folders last: making the files has changed them
  execFileSync('find', [root, '-type', 'd', '-exec', 'touch', '-d', `@${OLD}`, '{}', '+'])
  execFileSync('sync')
}

async function makeFile(path: string): Promise<void> {
  await using file = await open(path, 'w')
  await file.write('some bytes of a file that nobody needs any more\n')
  await file.utimes(OLD, OLD)
}

export async function expectEmpty(root: string, by: string): Promise<void> {
  const left = await readdir(root).catch(() => [])
  if (left.length > 0) throw new Error(`${by} left ${left.length} entries in ${root}, as ${left[0]}`)
}
