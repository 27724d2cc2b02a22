import { NonRetryableError } from '@mcp-worker/runtime'
import { z } from 'zod'
import type { Schemas } from './client.js'

/** A generation and the Qdrant collection that holds its documents. */
const generationSchema = z
  .object({
    number: z.int(),
    place: z.string(),
    dim: z.int(),
    embedder: z.string(),
    /** How its texts are cut; null: it began with ready vectors. */
    chunk: z.object({ size: z.int(), overlap: z.int() }).readonly().nullable(),
    /** Milliseconds since the epoch: when it was last written to while it was built, about. */
    writtenAt: z.number(),
  })
  .readonly()

/** One point of the registry: all that is known of a collection. It is the truth of which generation is current. */
const stateFields = {
  name: z.string(),
  /** Stays when the collection is dropped, so that no number is used again. */
  lastGeneration: z.int(),
  current: generationSchema.nullable(),
  building: generationSchema.nullable(),
  /** Set while a generation is put in place: writers wait before they say that they are done. Changes while somebody is at it. */
  seal: z.string().nullable(),
  /** Qdrant collections to be deleted. */
  waste: z.array(z.string()).readonly(),
}

const entrySchema = z
  .object({
    ...stateFields,
    /** Of this version of the entry; a change is made only to the version that was read. */
    stamp: z.string(),
    /** Those of the last versions too: whoever was overtaken since still finds that the change was made. */
    stamps: z.array(z.string()).readonly(),
  })
  .readonly()

export type Generation = z.output<typeof generationSchema>
export type Entry = z.output<typeof entrySchema>
export type State = Omit<Entry, 'stamp' | 'stamps'>

/** Throws `STORE_CORRUPT`. */
export function entryIn({ id, payload }: Schemas['Record'], registry: string): Entry {
  const parsed = entrySchema.safeParse(payload)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new NonRetryableError(
    `the point ${id} of the Qdrant collection "${registry}" is not an entry of this version ` +
      `(${issue?.path.join('.')}: ${issue?.message}): restore it, or delete it and index again`,
    { code: 'STORE_CORRUPT', cause: parsed.error },
  )
}

/** Not the health check's, which says nothing. */
export function isEntry({ payload }: Schemas['Record']): boolean {
  return payload?.['name'] !== undefined
}
