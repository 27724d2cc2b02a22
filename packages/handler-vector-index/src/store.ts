import type {
  BatchWrite,
  Build,
  BuildWrite,
  CollectionInfo,
  DocumentContent,
  DocumentPage,
  GenerationSpec,
  Hit,
  ListQuestion,
  Problem,
  RemoveAnswer,
  RemoveTarget,
  SearchQuestion,
  StoredDocument,
  WriteAnswer,
  WriteOptions,
} from './store-data.js'

export * from './store-data.js'

/**
 * The port to where vectors live. One folder per engine (`sqlite/`, …); all pass the suite in test/store-suite.ts, and what an engine cannot do is a
 * field of its `capabilities`, by which the suite names what it skips.
 *
 * A **collection** is found under its name and has one **current generation**: documents with their chunks, all of one embedder and dimension.
 * A reindex **builds** a second generation beside it, which nobody sees until `promote` puts it in the current one's place at once. The old one,
 * and all of a dropped collection, is **waste** until `purge` has removed it.
 *
 * ```
 *  write (first) ──► current ──► promote of another, drop ──► waste ──► purge
 *  build ──► building ──► promote ──► current
 *                └──► build with another spec, drop, forsaken for a day ──► waste
 * ```
 *
 * Every method may reject with the signal's reason, or with
 * - `RetryableError`: `STORE_BUSY` (locked, rate limit: with the `delayMs` it asked for), `STORE_UNAVAILABLE` (cannot be reached, timed out, an
 *   answer that makes no sense; it may have been done), `STORE_FULL`;
 * - `NonRetryableError`: `STORE_CORRUPT` (damaged), `STORE_REFUSED` (credentials, rights, a setting), `STORE_FOREIGN`, `STORE_NEWER`, `STORE_OLDER`
 *   (what is there was not made by this version);
 * - what its own comment says.
 *
 * All calls may be repeated: a retried task does them again. Any number of stores in any number of processes may be open on the same place.
 */
export interface VectorStore {
  readonly capabilities: StoreCapabilities

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** By name. Without those that were dropped. */
  collections(): Promise<readonly CollectionInfo[]>
  /** null: there is no such collection. */
  describe(collection: string): Promise<CollectionInfo | null>
  /** The stored documents of these ids (at most 1,000); absent ids are left out, and so is everything where there is no such collection. */
  lookup(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, StoredDocument>>
  /** As `lookup`, with all chunks in order. */
  read(collection: string, ids: readonly string[]): Promise<ReadonlyMap<string, DocumentContent>>
  /**
   * A page of the current generation's documents, in an order of the engine's own. Over all pages each document that was there from the first to the
   * last comes exactly once; one that was written or deleted meanwhile at most once. No such collection: an empty last page.
   */
  list(question: ListQuestion): Promise<DocumentPage>
  /**
   * The `k` documents whose best chunk is nearest to the vector by cosine, best first. Sees every write and delete that was acknowledged before. Rejects
   * with `COLLECTION_NOT_FOUND` or `DIM_MISMATCH` (permanent).
   */
  search(question: SearchQuestion): Promise<readonly Hit[]>

  // ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Writes a batch, durable when it resolves, in one transaction (`capabilities.transaction`): a reader sees all of a document's chunks, old or new, never
   * both or none. Makes the collection at its first write. A document whose revision is not `seen` any more is left alone and named in `stale`;
   * a batch whose embedder or dimension is not the collection's is stale as a whole. A document that is written or deleted loses its copy in a
   * generation that is being built.
   */
  write(batch: BatchWrite, options: WriteOptions<WriteAnswer>): Promise<WriteAnswer>
  /** Deletes at most `limit` documents in one transaction; those that are not there do not count. */
  remove(target: RemoveTarget, limit: number, options: WriteOptions<RemoveAnswer>): Promise<RemoveAnswer>
  /** How many documents `remove` would delete in all. */
  countTargets(target: RemoveTarget): Promise<number>
  /** The collection, and what is being built of it, are gone at once for everybody. Answers what it held; zeros where there was none. */
  drop(collection: string, options: WriteOptions<RemoveAnswer>): Promise<RemoveAnswer>
  /** What a `Mark` of this task left; null: nothing, or the engine keeps none. */
  readMark(task: string): Promise<string | null>
  /** Marks that nobody took away go by themselves after 30 days. */
  dropMark(task: string): Promise<void>

  // ── generations ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Begins a new generation of the collection, or answers the one that is being built where its spec is the same: a retried task goes on. One with another
   * spec is given up for it. Rejects with `COLLECTION_NOT_FOUND`.
   */
  build(spec: GenerationSpec, options: { readonly signal: AbortSignal }): Promise<Build>
  /**
   * Puts copies into the generation that is being built, in one transaction; a copy that is there already is replaced. `stale`: the original is gone, or
   * has another revision than `seen` by now. `gone`: this generation is not being built any more; nothing was written.
   */
  writeBuild(
    batch: BuildWrite,
    options: { readonly signal: AbortSignal },
  ): Promise<WriteAnswer & { readonly gone: boolean }>
  /**
   * Swaps at once, if the generation has a copy of each document's present revision. `incomplete`: documents are missing; `list` with `missingFrom`
   * names them. `promoted`: it is the current generation, also where it was so before the call. `gone`: it is neither built nor current any more.
   * Metadata, source, version and revision of each document stay; a searcher sees the old generation up to the swap, then the new one.
   */
  promote(
    collection: string,
    generation: number,
    options: { readonly signal: AbortSignal },
  ): Promise<'promoted' | 'incomplete' | 'gone'>

  // ── upkeep ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Removes at most about `limit` documents of waste in one transaction. 0: there is none left. Builds that were not written for a day are waste. */
  purge(limit: number, options: { readonly signal: AbortSignal }): Promise<number>
  /** One slice (at most about a second) of giving space back, or of the engine's own tidying. `left`: slices that are still to do, about. */
  optimize(options: { readonly signal: AbortSignal }): Promise<{ readonly left: number }>
  /** Bytes on the disk of all that the store holds, waste and logs included; null: the engine cannot say. */
  size(): Promise<number | null>
  /** What is wrong with the collection beyond its documents (`PROBLEMS` of verify.ts: counts, orphans, the engine's own check), the first 1,000. */
  inspect(collection: string, options: { readonly signal: AbortSignal }): Promise<readonly Problem[]>
  /**
   * The share of the true `k` nearest documents that `search` finds, over `sample` stored vectors; null: `search` is exact, there is nothing to sample.
   */
  sampleRecall(
    collection: string,
    sample: { readonly vectors: number; readonly k: number },
    options: { readonly signal: AbortSignal },
  ): Promise<number | null>
  /** Resolves where the store can be read and written. */
  ping(signal?: AbortSignal): Promise<void>
  /** Waits for nothing that a task waits for: call it when all is done. */
  close(): Promise<void>
}

/** What an engine promises beyond, or short of, the comments above. The suite checks what is claimed and names what it skips. */
export interface StoreCapabilities {
  readonly engine: string
  /** `exact`: every vector is compared. `approximate`: an index answers; its recall is sampled. */
  readonly search: 'exact' | 'approximate'
  /** What one write makes visible at once: the whole batch, or each document by itself. */
  readonly transaction: 'batch' | 'document'
  /** Two writers that saw the same revision: exactly one of them gets through (`certain`), or both may (`likely`: looked at, then written). */
  readonly staleness: 'certain' | 'likely'
  /** Marks are stored with the effect they tell of; else `mark` is ignored. */
  readonly marks: boolean
  /** A document may be kept without a chunk (`writeBuild`); else it is left out of the new generation. */
  readonly bareDocuments: boolean
  /** Vectors come back bit by bit as they were written; else about so (normalised again, quantised). */
  readonly exactVectors: boolean
}
