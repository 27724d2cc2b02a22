import { z } from 'zod'
import { chunkSchema } from './options.js'
import { wellFormed } from './well-formed.js'

export const MAX_INLINE_DOCUMENTS = 10_000
/** Components of a vector. */
export const MAX_DIMENSION = 16_384

const collection = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,62}$/, 'expected a lower-case letter, then at most 62 of a-z 0-9 _ -')
  .default('documents')
// what is stored as UTF-8 comes back without half surrogate pairs: with them an id would name nothing, and a text not match its hash
const id = z.string().min(1).max(512).overwrite(wellFormed)
const anyText = z.string().overwrite(wellFormed)
const metadata = z.record(z.string().max(256), z.unknown())
const vector = z.array(z.number()).min(1).max(MAX_DIMENSION)

const documentFields = {
  /** Default: the hash of `source_id`, else of the text, else of the vector. */
  id: id.optional(),
  text: anyText.optional(),
  /** A ready vector. It is stored at unit length. With a text beside it, the text is kept and not embedded. */
  vector: vector.optional(),
  metadata: metadata.optional(),
  /** Where the document came from (a path, a URL); `delete` can name it. */
  source_id: id.optional(),
  /** Compared by mode `if_newer`: a counter, or milliseconds since the epoch. */
  version: z.int().min(0).optional(),
}

export const newDocument = z
  .strictObject(documentFields)
  .refine((document) => document.text !== undefined || document.vector !== undefined, {
    message: 'expected text or vector',
  })

/** What `upsert` takes. A plain string is a text. */
export const documentSchema = z.union([anyText, newDocument])

/** What `update` takes: fields that are left out stay as they are; `metadata` is replaced as a whole. */
export const documentUpdateSchema = z
  .strictObject(documentFields)
  .refine((document) => document.id !== undefined || document.source_id !== undefined, {
    message: 'expected id or source_id',
  })

export type DocumentInput = z.output<typeof newDocument>

const scalar = z.union([anyText, z.number(), z.boolean(), z.null()])

/** Top-level metadata keys: equal to a value, or to one of several. All keys must match. null also matches a missing key. */
export const filterSchema = z.record(
  z.string().min(1).max(256).overwrite(wellFormed),
  z.union([scalar, z.strictObject({ in: z.array(scalar).min(1).max(1000) })]),
)

export type Filter = z.output<typeof filterSchema>

const common = {
  collection,
  batch_size: z.int().min(1).max(1000).default(100),
  dry_run: z.boolean().default(false),
}

const writing = {
  ...common,
  /** A JSONL file, or one JSON array, below the plugin's `documentsRoot`. */
  documents_ref: z.string().min(1).max(1024).optional(),
  chunk: chunkSchema.optional(),
  /**
   * The fingerprint of the embedder that the vectors come from. Ready vectors without it belong to no embedder ("external").
   * For texts it is a check: another embedder in the worker is EMBEDDER_MISMATCH.
   */
  embedder: z.string().min(1).max(256).optional(),
  on_error: z.enum(['fail', 'continue']).default('fail'),
}

/** For `refine`: exactly one of these keys is there. */
function exactlyOne(...keys: readonly string[]) {
  const given = (value: unknown): readonly string[] =>
    keys.filter((key) => (value as Readonly<Record<string, unknown>>)[key] !== undefined)
  return [
    (value: unknown) => given(value).length === 1,
    {
      error: ({ input }: { readonly input?: unknown }) =>
        `expected exactly one of ${keys.join(', ')}, got ${given(input).join(' and ') || 'none'}`,
    },
  ] as const
}

const oneSource = exactlyOne('documents', 'documents_ref')

const upsert = z
  .strictObject({
    // optional inside default: so that a payload without `operation` finds this branch of the union
    operation: z.literal('upsert').optional().default('upsert'),
    ...writing,
    documents: z.array(documentSchema).max(MAX_INLINE_DOCUMENTS).optional(),
    mode: z.enum(['upsert', 'insert_only', 'if_newer']).default('upsert'),
  })
  .refine(...oneSource)

const update = z
  .strictObject({
    operation: z.literal('update'),
    ...writing,
    documents: z.array(documentUpdateSchema).max(MAX_INLINE_DOCUMENTS).optional(),
  })
  .refine(...oneSource)

const remove = z
  .strictObject({
    operation: z.literal('delete'),
    ...common,
    ids: z.array(id).min(1).max(MAX_INLINE_DOCUMENTS).optional(),
    source_ids: z.array(id).min(1).max(MAX_INLINE_DOCUMENTS).optional(),
    filter: filterSchema
      .refine((filter) => Object.keys(filter).length > 0, {
        message: 'an empty filter matches everything: say all: true if that is meant',
      })
      .optional(),
    all: z.literal(true).optional(),
  })
  .refine(...exactlyOne('ids', 'source_ids', 'filter', 'all'))

const sync = z
  .strictObject({
    operation: z.literal('sync'),
    ...writing,
    documents: z.array(documentSchema).max(MAX_INLINE_DOCUMENTS).optional(),
    /** Only what comes from these sources is synchronised; every document must name one of them. Default: the whole collection. */
    source_ids: z.array(id).min(1).max(MAX_INLINE_DOCUMENTS).optional(),
    /** A source without a document deletes everything: that has to be said. */
    allow_empty: z.literal(true).optional(),
  })
  .refine(...oneSource)
  .refine(({ documents, allow_empty }) => documents?.length !== 0 || allow_empty === true, {
    path: ['documents'],
    message: 'an empty list would delete everything: say allow_empty: true if that is meant',
  })

const reindex = z.strictObject({
  operation: z.literal('reindex'),
  ...common,
  /** Default: as the collection was cut before. */
  chunk: chunkSchema.optional(),
  /** A check: another embedder in the worker is EMBEDDER_MISMATCH. */
  embedder: writing.embedder,
  /** `continue`: a document that cannot be embedded stays without a chunk, and is not found. */
  on_error: writing.on_error,
})

const optimize = z.strictObject({ operation: z.literal('optimize'), ...common })

const verify = z.strictObject({ operation: z.literal('verify'), ...common })

const CONFIRM = "expected the collection's name, since all of it is deleted"

const drop = z
  .strictObject({
    operation: z.literal('drop'),
    ...common,
    /** The collection's name once more. */
    confirm: z.string({ error: CONFIRM }).max(63),
  })
  .refine(({ collection: name, confirm }) => name === confirm, { path: ['confirm'], message: CONFIRM })

export const payloadSchema = z.discriminatedUnion('operation', [
  upsert,
  update,
  remove,
  sync,
  reindex,
  optimize,
  verify,
  drop,
])

export type Payload = z.output<typeof payloadSchema>
type PayloadOf<Operation extends Payload['operation']> = Extract<Payload, { operation: Operation }>
/** Of the operations that write documents of a source. */
export type WritePayload = PayloadOf<'upsert' | 'update' | 'sync'>
export type DeletePayload = PayloadOf<'delete'>
export type SyncPayload = PayloadOf<'sync'>
export type ReindexPayload = PayloadOf<'reindex'>
export type OptimizePayload = PayloadOf<'optimize'>
export type VerifyPayload = PayloadOf<'verify'>
export type DropPayload = PayloadOf<'drop'>

const collectionSummary = z.strictObject({
  /** Documents, not chunks. */
  count: z.int(),
  dim: z.int(),
  /** The fingerprint of the embedder that its vectors come from; "external" for ready vectors of unknown origin. */
  embedder: z.string(),
  generation: z.int(),
})

const verifiedSchema = z.strictObject({
  /** Documents. */
  checked: z.int(),
  /** The first 100. `id` null: the collection as a whole. */
  problems: z.array(z.strictObject({ id: z.string().nullable(), code: z.string(), detail: z.string() })),
  problem_count: z.int(),
  /** The share of the true nearest documents that a search finds, sampled; null: the search is exact. */
  recall: z.number().nullable(),
})

export type Verified = z.output<typeof verifiedSchema>

export const resultSchema = z.strictObject({
  operation: z.enum(['upsert', 'update', 'delete', 'sync', 'reindex', 'optimize', 'verify', 'drop']),
  dry_run: z.boolean(),
  inserted: z.int(),
  updated: z.int(),
  unchanged: z.int(),
  deleted: z.int(),
  /** The first 100. */
  failed: z.array(
    z.strictObject({
      /** `#` and its position where it has no readable id. */
      id: z.string(),
      code: z.string(),
      /** Of a document of the source: where it stands in the list or the file, from 0. */
      position: z.int().optional(),
      /** Of a document in a file: the line on which it begins, from 1. */
      line: z.int().optional(),
      /** What was expected and what came, where there is more to say than the code does. */
      detail: z.string().optional(),
    }),
  ),
  failed_count: z.int(),
  /** Chunks written; of `delete` and `drop`, chunks deleted. */
  chunks: z.int(),
  embed_seconds: z.number(),
  write_seconds: z.number(),
  /** null: there is no such collection (yet). */
  collection: collectionSummary.nullable(),
  /** Of `sync`. `DELETES_SKIPPED`: an entry of the source had no readable id, so nothing can be said to be gone. */
  warnings: z.array(z.enum(['DELETES_SKIPPED'])).optional(),
  /** Of `optimize`: the store on the disk; null: the engine cannot say. */
  bytes: z.strictObject({ before: z.int().nullable(), after: z.int().nullable() }).optional(),
  /** Of `verify`. */
  verified: verifiedSchema.optional(),
})

export type VectorIndexResult = z.output<typeof resultSchema>

export const searchInputSchema = z
  .strictObject({
    collection,
    text: z.string().min(1).max(32_000).optional(),
    vector: vector.optional(),
    k: z.int().min(1).max(200).default(10),
    filter: filterSchema.optional(),
  })
  .refine(...exactlyOne('text', 'vector'))

export const searchOutputSchema = z.strictObject({
  hits: z.array(
    z.strictObject({
      id: z.string(),
      /** Cosine similarity of the document's best chunk, −1 … 1. */
      score: z.number(),
      /** That chunk's text; null where only a vector was given. */
      text: z.string().nullable(),
      metadata,
    }),
  ),
})

export const collectionsOutputSchema = z.strictObject({
  collections: z.array(
    collectionSummary.extend({
      name: z.string(),
      chunks: z.int(),
      /** How its texts are cut; null: it began with ready vectors. */
      chunk: z.strictObject({ size: z.int(), overlap: z.int() }).nullable(),
    }),
  ),
})
