import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Schedule } from './options.js'

/**
 * What is known of a schedule across restarts, one small file each in `DATA_DIR/schedules`, which all workers of the folder share. The ids of
 * its tasks keep it from firing twice; the file only tells a first start from a pause.
 */
export interface ScheduleRecord {
  /** What fell due up to this time was dealt with. Milliseconds since the epoch. */
  readonly seenUntil: number
  /** The last instant that was submitted, here or by another worker at the same time; null: none yet. */
  readonly lastInstant: number | null
}

export interface RecordStore {
  /** Null where there is none, or it is of other times: a schedule whose times were changed begins anew. */
  read(schedule: Schedule): Promise<ScheduleRecord | null>
  write(schedule: Schedule, record: ScheduleRecord): Promise<void>
}

const recordSchema = z.object({
  when: z.string(),
  seenUntil: z.iso.datetime().transform(Date.parse),
  lastInstant: z.iso.datetime().transform(Date.parse).nullable(),
})

export function createRecordStore(dataDir: string): RecordStore {
  const folder = join(dataDir, 'schedules')
  const fileOf = ({ options }: Schedule) => join(folder, `${options.name}.json`)
  return {
    async read(schedule) {
      const text = await readFile(fileOf(schedule), 'utf8').catch(() => null)
      const read = recordSchema.safeParse(text === null ? null : parseJson(text))
      if (!read.success || read.data.when !== whenOf(schedule)) return null
      const { seenUntil, lastInstant } = read.data
      return { seenUntil, lastInstant }
    },
    async write(schedule, { seenUntil, lastInstant }) {
      const file = fileOf(schedule)
      const record = {
        when: whenOf(schedule),
        seenUntil: new Date(seenUntil).toISOString(),
        lastInstant: lastInstant === null ? null : new Date(lastInstant).toISOString(),
      }
      await mkdir(folder, { recursive: true })
      // a reader, or another worker, never sees half of it
      const made = `${file}.${randomUUID()}`
      try {
        await writeFile(made, `${JSON.stringify(record)}\n`)
        await rename(made, file)
      } catch (error) {
        await rm(made, { force: true })
        throw error
      }
    },
  }
}

function whenOf({ options: { cron }, everyMs, timezone, dst }: Schedule): string {
  return cron === undefined ? `every ${everyMs} ms` : `${cron.trim()} ${timezone} ${dst}`
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
