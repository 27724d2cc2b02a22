import type { Folder, Look } from './folder.js'
import { systemCode } from './folder.js'
import type { ByteString } from './names.js'

/** A name in a snapshot of the Hugging Face hub's cache: a link to a blob, or a file where the system had no links. */
export interface SnapshotEntry {
  readonly name: ByteString
  readonly look: Look
  /** The blob's name; null for a plain file or a link elsewhere. */
  readonly blob: ByteString | null
}

/** A folder of a snapshot, and those in it. */
export interface SnapshotFolder {
  readonly name: ByteString
  readonly look: Look
  readonly entries: readonly SnapshotEntry[]
  readonly folders: readonly SnapshotFolder[]
}

/**
 * `models--org--name` and the like: `refs` name revisions, `snapshots/<revision>` links to `blobs`, which revisions share.
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
export interface HubRepo {
  readonly refs: ReadonlySet<string>
  readonly snapshots: readonly SnapshotFolder[]
  readonly blobs: ReadonlyMap<ByteString, Look>
}

const MAX_DEPTH = 32
const MAX_REF_BYTES = 256

/** Reads all of it; rejects with the system's fault, since of half a repository nothing can be told. */
export async function readRepo(repo: Folder): Promise<HubRepo> {
  const refs = new Set<string>()
  await within(repo, 'refs', (folder) => readRefs(folder, refs))
  const snapshots = (await within(repo, 'snapshots', (folder) => readFolders(folder))) ?? []
  const blobs = (await within(repo, 'blobs', readBlobs)) ?? new Map<ByteString, Look>()
  return { refs, snapshots, blobs }
}

/** Null: there is no such folder. */
export async function within<T>(
  folder: Folder,
  name: ByteString,
  work: (inner: Folder) => Promise<T>,
): Promise<T | null> {
  let inner: Folder
  try {
    inner = await folder.enter(name)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null
    throw error
  }
  try {
    return await work(inner)
  } finally {
    await inner.close()
  }
}

async function readRefs(folder: Folder, refs: Set<string>): Promise<void> {
  for await (const name of folder.names()) {
    const look = await folder.look(name)
    if (look?.kind === 'file') refs.add((await folder.readText(name, MAX_REF_BYTES)).trim())
    else if (look?.kind === 'directory' && folder.parts.length < MAX_DEPTH)
      await within(folder, name, (inner) => readRefs(inner, refs))
    // what it keeps cannot be known
    else if (look !== null) throw Object.assign(new Error('no ref'), { code: 'EINVAL' })
  }
}

async function readFolders(folder: Folder): Promise<SnapshotFolder[]> {
  const found: SnapshotFolder[] = []
  for await (const name of folder.names()) {
    const look = await folder.look(name)
    if (look?.kind !== 'directory') continue
    if (folder.parts.length > MAX_DEPTH) throw Object.assign(new Error('too deep'), { code: 'ELOOP' })
    const read = await within(folder, name, async (inner) => ({
      entries: await readEntries(inner),
      folders: await readFolders(inner),
    }))
    if (read !== null) found.push({ name, look, ...read })
  }
  return found
}

async function readEntries(folder: Folder): Promise<SnapshotEntry[]> {
  const found: SnapshotEntry[] = []
  for await (const name of folder.names()) {
    const look = await folder.look(name)
    if (look?.kind === 'file') found.push({ name, look, blob: null })
    if (look?.kind !== 'link') continue
    const blob = /(?:^|\/)blobs\/([^/]+)$/.exec(await folder.readLink(name))?.[1] ?? null
    found.push({ name, look, blob })
  }
  return found
}

async function readBlobs(folder: Folder): Promise<Map<ByteString, Look>> {
  const blobs = new Map<ByteString, Look>()
  for await (const name of folder.names()) {
    const look = await folder.look(name)
    if (look?.kind === 'file') blobs.set(name, look)
  }
  return blobs
}

/** All blobs that a snapshot needs. */
export function blobsOf({ entries, folders }: Pick<SnapshotFolder, 'entries' | 'folders'>): ByteString[] {
  const own = entries.flatMap(({ blob }) => (blob === null ? [] : [blob]))
  return [...own, ...folders.flatMap(blobsOf)]
}

/** The latest time at which anything of the snapshot was made or, as far as the file system tells, read. */
export function lastUse(snapshot: SnapshotFolder, blobs: HubRepo['blobs']): number {
  const entries = snapshot.entries.map(({ look, blob }) => {
    const content = blob === null ? look : (blobs.get(blob) ?? look)
    return Math.max(made(look), made(content), content.atimeMs)
  })
  return Math.max(made(snapshot.look), ...entries, ...snapshot.folders.map((inner) => lastUse(inner, blobs)))
}

function made({ mtimeMs, ctimeMs }: Look): number {
  return Math.max(mtimeMs, ctimeMs)
}
