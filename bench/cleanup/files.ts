import { execFileSync } from 'node:child_process'
import { closeSync, futimesSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const OLD = 1_000_000_000

/** So many small files, in folders of `perFolder`, all old by mtime. */
export function makeFiles(root: string, count: number, perFolder: number): void {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  for (let made = 0; made < count; made += perFolder) {
    const folder = perFolder >= count ? root : join(root, `d${made / perFolder}`)
    mkdirSync(folder, { recursive: true })
    const end = Math.min(count, made + perFolder)
    for (let i = made; i < end; i++) makeFile(`${folder}/file-${i}`)
  }
  // folders last: making the files has changed them
  execFileSync('find', [root, '-type', 'd', '-exec', 'touch', '-d', `@${OLD}`, '{}', '+'])
  execFileSync('sync', ['--file-system', root])
}

function makeFile(path: string): void {
  const file = openSync(path, 'w')
  writeSync(file, 'some bytes of a file that nobody needs any more\n')
  futimesSync(file, OLD, OLD)
  closeSync(file)
}

export function expectEmpty(root: string, by: string): void {
  const left = readdirSync(root)
  if (left.length > 0) throw new Error(`${by} left ${left.length} entries in ${root}, as ${left[0]}`)
}
