import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { checkDatabase } from '../check-file.ts'
import type { Image } from '../disk-image.ts'
import type { Lab } from '../lab.ts'
import { sumOf, type Work } from '../work.ts'

/** What a process had said before the power was cut. */
export interface Told {
  /** Answered submits: id → hash of the payload's text. */
  readonly accepted: Map<string, string>
  /** Tasks reported as ended. */
  readonly ended: Set<string>
}

interface Inspection {
  readonly lost: readonly string[]
  /** Why the file is no good; null: it is whole. */
  readonly damage: string | null
}

/** The built runtime's own way to a file: pragmas, migration, locks. */
interface OpenStore {
  (data: Record<string, unknown>, clock: unknown): { readonly db: DatabaseSync; close(): void }
}

/** Opens images of a disk, one after the other, in memory where the machine has such a folder. */
export async function createInspector(lab: Lab) {
  const built = (file: string) => import(join(lab.dir, 'runtime/dist', file))
  const { openStore } = (await built('sqlite/store.js')) as { openStore: OpenStore }
  const { createClock } = (await built('clock.js')) as { createClock: () => unknown }
  const { DEFAULT_LIMITS } = (await built('queue.js')) as { DEFAULT_LIMITS: unknown }
  const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'power-cut-'))
  const path = join(root, 'queue.db')
  const data = { path, durability: 'power', limits: DEFAULT_LIMITS, owner: 'inspector', reserveBytes: 0 }
  let last: Image = new Map()

  function inspect(image: Image, told: Told): Inspection {
    last = image
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true })
    for (const [name, bytes] of image) writeFileSync(join(root, name), bytes)
    try {
      const store = openStore(data, createClock())
      try {
        const [damage] = checkDatabase(store.db)
        return { damage: damage ?? null, lost: missing(store.db, told) }
      } finally {
        store.close()
      }
    } catch (error) {
      return { damage: `it does not open: ${String(error)}`, lost: [] }
    }
  }

  return {
    inspect,
    /** Puts the last image where `--keep` leaves it. */
    keep(): string {
      const folder = lab.folder('image')
      mkdirSync(folder, { recursive: true })
      for (const [name, bytes] of last) writeFileSync(join(folder, name), bytes)
      return `image: ${folder}`
    },
    dispose: () => rmSync(root, { recursive: true, force: true }),
  }
}

const FINAL = new Set(['succeeded', 'failed', 'cancelled'])

function missing(db: DatabaseSync, { accepted, ended }: Told): string[] {
  const rows = db.prepare('SELECT id, status, payload FROM tasks JOIN bodies USING (seq)').all()
  const byId = new Map(rows.map((row) => [String(row['id']), row]))
  const lost: string[] = []
  for (const [id, sum] of accepted) {
    const payload = byId.get(id)?.['payload']
    if (payload === undefined || sumOf((JSON.parse(String(payload)) as Work).text) !== sum) lost.push(id)
  }
  for (const id of ended) if (!FINAL.has(String(byId.get(id)?.['status']))) lost.push(`${id} (its end)`)
  return lost
}
