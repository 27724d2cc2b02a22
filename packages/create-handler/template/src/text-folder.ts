import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Options } from './schemas.ts'

export interface TextFolder {
  /** The same text again changes nothing. */
  keep(text: string): Promise<void>
  /** Rejects where nothing can be written. */
  check(): Promise<void>
}

export async function openTextFolder(path: string, { upperCase }: Options): Promise<TextFolder> {
  await mkdir(path, { recursive: true })
  return {
    async keep(text) {
      const kept = upperCase ? text.toUpperCase() : text
      const file = join(path, `${createHash('sha256').update(kept).digest('hex')}.txt`)
      // written beside and renamed: whoever reads it never sees half of it
      await writeFile(`${file}.tmp`, kept)
      await rename(`${file}.tmp`, file)
    },
    check: () => access(path, constants.W_OK),
  }
}
