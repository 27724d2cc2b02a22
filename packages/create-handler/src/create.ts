import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readName } from './names.js'

export interface CreateOptions {
  /** `my-task` or `@acme/my-task`. */
  readonly name: string
  /** The new folder is made in this one. */
  readonly cwd: string
}

export interface Created {
  readonly packageName: string
  readonly type: string
  /** Absolute. */
  readonly folder: string
  /** Relative to the folder, sorted. */
  readonly files: readonly string[]
}

/** Beside `src` and `dist`: a working package whose names are replaced. */
const TEMPLATE = fileURLToPath(new URL('../template/', import.meta.url))

/**
 * Writes a handler package into a folder of its own. Throws a `TypeError` for a name that will not do, and an `Error` where the folder exists
 * and holds anything.
 */
export async function createHandler({ name, cwd }: CreateOptions): Promise<Created> {
  const { packageName, type, folder: relative } = readName(name)
  const folder = join(cwd, relative)
  await claim(folder)
  const files: string[] = []
  for (const path of await templateFiles()) {
    const text = await readFile(join(TEMPLATE, path), 'utf8')
    const target = path.split('/').map(shownName).join('/')
    await mkdir(dirname(join(folder, target)), { recursive: true })
    await writeFile(join(folder, target), renamed(text, { packageName, type, folder: relative }), {
      flag: 'wx',
    })
    files.push(target)
  }
  return { packageName, type, folder, files: files.toSorted() }
}

async function claim(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const found = await readdir(folder)
  if (found.length === 0) return
  throw new Error(
    `expected ${folder} to be new or empty, it holds ${found[0]}${found.length > 1 ? ` and ${found.length - 1} more` : ''}; choose another name or another folder`,
  )
}

async function templateFiles(): Promise<string[]> {
  const entries = await readdir(TEMPLATE, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(TEMPLATE.length).replaceAll('\\', '/'))
}

/** npm leaves some names out of packages, .gitignore for one, and reads others: they are kept under names of their own. */
function shownName(part: string): string {
  if (part === '_package.json') return 'package.json'
  return part.startsWith('_') ? `.${part.slice(1)}` : part
}

interface Renaming {
  readonly packageName: string
  readonly type: string
  readonly folder: string
}

/** The longest first: `my-task` is in `handler-my-task` too. */
function renamed(text: string, { packageName, type, folder }: Renaming): string {
  const by: Readonly<Record<string, string>> = {
    'handler-my-task': packageName,
    'my-task': folder,
    my_task: type,
  }
  return text.replaceAll(/handler-my-task|my-task|my_task/g, (found) => by[found] ?? found)
}
