/** What may be on a disk after the power was cut: everything that was synced, and of what was written later any part. */
import type { Random } from './random.ts'
import type { Recorded } from './recording.ts'

/** How much of what was not synced has reached the disk. */
export const SURVIVALS = [
  'nothing',
  'everything',
  'some writes',
  'a beginning',
  '512 bytes',
  '4096 bytes',
] as const
export type Survival = (typeof SURVIVALS)[number]

export type Image = ReadonlyMap<string, Buffer>

type Change = Exclude<Recorded, { did: 'tell' | 'sync-begin' | 'sync-end' }>

interface Waiting {
  readonly change: Change
  /** A sync of its file (of its folder, for names) has begun, and will have made it safe when it ends. */
  begun: boolean
}

/** A disk to which events happen one after the other. `obeys`: a sync means something to it. */
export interface Disk {
  happen(event: Recorded): void
  /** What is there if the power is cut now. */
  cut(survival: Survival, random: Random): Image
}

export function createDisk({ obeys = true }: { readonly obeys?: boolean } = {}): Disk {
  const safe = createFiles()
  let waiting: Waiting[] = []

  /** Two files that had the same name are not told apart here. SQLite syncs the folder between them. */
  function refuseTwins({ did, file }: Change): void {
    if (did === 'create' && waiting.some(({ change }) => change.did === 'unlink' && change.file === file))
      throw new Error(`${file} was made again before its removal was synced`)
  }

  return {
    happen(event) {
      if (event.did === 'tell') return
      if (event.did === 'sync-begin') {
        for (const one of waiting) if (isSyncedBy(one.change, event.file)) one.begun = true
      } else if (event.did === 'sync-end') {
        if (!obeys) return
        const isSafe = (one: Waiting) => one.begun && isSyncedBy(one.change, event.file)
        for (const one of waiting) if (isSafe(one)) safe.apply(one.change)
        waiting = waiting.filter((one) => !isSafe(one))
      } else {
        refuseTwins(event)
        waiting.push({ change: event, begun: false })
      }
    },
    cut(survival, random) {
      const files = safe.copy()
      const last = random.int(0, waiting.length)
      for (const [index, { change }] of waiting.entries()) {
        for (const part of survivorsOf(change, survival, index < last, random)) files.apply(part)
      }
      return files.image()
    },
  }
}

function isSyncedBy(change: Change, file: string): boolean {
  return change.did === 'create' || change.did === 'unlink' ? file === '.' : change.file === file
}

function survivorsOf(change: Change, survival: Survival, isBeforeLast: boolean, random: Random): Change[] {
  if (survival === 'everything') return [change]
  if (survival === 'nothing') return []
  if (survival === 'a beginning') return isBeforeLast ? [change] : []
  if (survival === 'some writes' || change.did !== 'write') return random.chance(0.5) ? [change] : []
  return sectorsOf(change, survival === '512 bytes' ? 512 : 4096).filter(() => random.chance(0.5))
}

/** A write, cut where the sectors of the file begin. */
function sectorsOf({ file, offset, data }: Extract<Change, { did: 'write' }>, size: number): Change[] {
  const pieces: Change[] = []
  for (let at = 0; at < data.length;) {
    const end = Math.min(data.length, at + size - ((offset + at) % size))
    pieces.push({ did: 'write', file, offset: offset + at, data: data.subarray(at, end) })
    at = end
  }
  return pieces
}

interface Contents {
  bytes: Buffer<ArrayBuffer>
  size: number
  /** Its name is in the folder. */
  named: boolean
}

/** Files by name. What is written to a file whose name never reached the disk is lost with it. */
function createFiles(from: ReadonlyMap<string, Contents> = new Map()) {
  const files = new Map(
    [...from].map(([name, { bytes, ...rest }]) => [name, { ...rest, bytes: Buffer.from(bytes) }]),
  )

  function contents(name: string): Contents {
    const known = files.get(name)
    if (known) return known
    const made: Contents = { bytes: Buffer.alloc(0), size: 0, named: false }
    files.set(name, made)
    return made
  }

  function resize(file: Contents, size: number): void {
    if (size > file.bytes.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * file.bytes.length))
      file.bytes.copy(grown)
      file.bytes = grown
    }
    if (size < file.size) file.bytes.fill(0, size, file.size)
    file.size = size
  }

  return {
    apply(change: Change): void {
      if (change.did === 'unlink') return void files.delete(change.file)
      const file = contents(change.file)
      if (change.did === 'create') file.named = true
      else if (change.did === 'truncate') resize(file, change.size)
      else {
        const end = change.offset + change.data.length
        if (end > file.size) resize(file, end)
        change.data.copy(file.bytes, change.offset)
      }
    },
    copy: () => createFiles(files),
    image: (): Image =>
      new Map(
        [...files].flatMap(([name, { bytes, size, named }]) =>
          named ? [[name, bytes.subarray(0, size)]] : [],
        ),
      ),
  }
}
