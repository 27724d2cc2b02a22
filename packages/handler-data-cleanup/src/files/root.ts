import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { realpath, stat } from 'node:fs/promises'
import { fault } from '../fault.js'
import { type Folder, systemCode } from './folder.js'
import { readMounts } from './mounts.js'
import { byteStringOf } from './names.js'
import { openPathRoot } from './path-folder.js'
import { openPinnedRoot } from './pinned-folder.js'

const SYSTEM =
  '/bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /usr /var /var/lib /Users'
const NOTHING_BELOW = ['/proc', '/sys', '/etc', '/usr', '/bin', '/sbin', '/lib', '/lib64', '/boot']

/** Why a folder can never be a root; null: it can. Only looks at the text. `dataDir` is the plugin's own folder, resolved. */
export function decideRoot(root: string, dataDir: string): string | null {
  if (root === '/') return 'it is the root of the file system'
  if (isWithin(homedir(), root)) return 'it is a home, or above one'
  if (/^\/(home|Users)\/[^/]+$/.test(root)) return 'it is a home'
  if (SYSTEM.split(' ').includes(root)) return 'it belongs to the system'
  if (NOTHING_BELOW.some((folder) => isWithin(root, folder))) return 'it belongs to the system'
  if (isWithin(dataDir, root)) return 'the data directory of the worker is in it'
  if (isWithin(root, dataDir)) return "it is in this plugin's own folder"
  return null
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`)
}

/** The path without links, also of a folder that is not there yet. */
export async function resolveFuture(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    const parent = await resolveFuture(dirname(path))
    return `${parent === '/' ? '' : parent}/${path.slice(path.lastIndexOf('/') + 1)}`
  }
}

export interface RootSpec {
  readonly target: string
  readonly path: string
  readonly allowMountRoot: boolean
  /** The plugin's own folder. */
  readonly dataDir: string
}

export interface OpenedRoot {
  readonly folder: Folder
  /** Below this root, relative to it: where other file systems begin. */
  readonly mounts: ReadonlySet<string>
}

/** Checked again at every run, since links and mounts change. Null: there is no such folder. */
export async function openRoot(spec: RootSpec): Promise<OpenedRoot | null> {
  const { path } = spec
  const refusal = decideRoot(path, await resolveFuture(spec.dataDir))
  if (refusal !== null) throw rootFault('ROOT_REFUSED', spec, refusal)
  const folder = await openFolder(spec)
  if (folder === null) return null
  try {
    if (!folder.inPlace()) throw rootFault('ROOT_LINKED', spec, 'a part of the path is a link')
    const alias = await aliasOf(folder, ['/', homedir(), await resolveFuture(spec.dataDir)])
    if (alias !== null) throw rootFault('ROOT_REFUSED', spec, `it is the same folder as ${alias}`)
    const mounts = (await readMounts()) ?? new Set<string>()
    if (!spec.allowMountRoot && (await isMount(folder, path, mounts)))
      throw rootFault('MOUNT_ROOT', spec, 'a file system is mounted there')
    const prefix = `${byteStringOf(path)}/`
    const below = [...mounts].filter((point) => point.startsWith(prefix))
    return { folder, mounts: new Set(below.map((point) => point.slice(prefix.length))) }
  } catch (error) {
    await folder.close()
    throw error
  }
}

/** Bind mounts give a folder a second path: which of these, or of the folders above them, is this one? */
async function aliasOf(folder: Folder, precious: readonly string[]): Promise<string | null> {
  const { device, inode } = await folder.self()
  for (const path of new Set(precious.flatMap(upwards))) {
    const stats = await stat(path).catch(() => null)
    if (stats?.dev === device && stats.ino === inode) return path
  }
  return null
}

function upwards(path: string): readonly string[] {
  return dirname(path) === path ? [path] : [path, ...upwards(dirname(path))]
}

async function openFolder(spec: RootSpec): Promise<Folder | null> {
  try {
    return await (process.platform === 'linux' ? openPinnedRoot : openPathRoot)(spec.path)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return null
    if (code === 'ELOOP') throw rootFault('ROOT_LINKED', spec, 'it is a link')
    if (code === 'ENOTDIR') throw rootFault('ROOT_LINKED', spec, 'it is a link, or no folder')
    throw rootFault('ROOT_UNREADABLE', spec, code, error)
  }
}

async function isMount(folder: Folder, path: string, mounts: ReadonlySet<string>): Promise<boolean> {
  if (mounts.has(byteStringOf(path))) return true
  const above = await openParent(path)
  try {
    return (await above.self()).device !== (await folder.self()).device
  } finally {
    await above.close()
  }
}

function openParent(path: string): Promise<Folder> {
  return (process.platform === 'linux' ? openPinnedRoot : openPathRoot)(dirname(path))
}

function rootFault(
  code: 'ROOT_REFUSED' | 'ROOT_LINKED' | 'MOUNT_ROOT' | 'ROOT_UNREADABLE',
  { target, path }: RootSpec,
  why: string,
  cause?: unknown,
): Error {
  return fault(code, `target ${target}: the root ${JSON.stringify(path)} is refused: ${why}`, cause)
}
