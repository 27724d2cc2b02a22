import type { Durability } from '../queue/engine.ts'

/** Where vectors are kept and searched, as it can be measured. Every engine keeps an id and a vector of `DIMENSION` float32 components. */
export interface VectorEngine {
  readonly version: string
  /** An empty store in the folder. */
  open(folder: string): Promise<void>
  /** Ids that are not there yet; acknowledged when it resolves. */
  insert(batch: Batch): Promise<void>
  /** Ids that are there, with other vectors. */
  replace(batch: Batch): Promise<void>
  /** After the last insert, before the first search. Absent: nothing is to be built. */
  buildIndex?(): Promise<void>
  /** The ids of the nearest vectors by cosine, best first. Absent: the engine is measured for its writes only. */
  readonly search?: (vector: Float32Array, k: number) => Promise<readonly string[]>
  count(): Promise<number>
  close(): Promise<void>
}

export interface Batch {
  readonly ids: readonly string[]
  /** Row-major, `ids.length` × `DIMENSION`, each row of unit length. */
  readonly vectors: Float32Array
}

/** An engine of the comparison, with how it was set up. */
export interface Entry {
  readonly name: string
  readonly durability: Durability
  /** The fastest settings that its documentation recommends for this load and this durability. */
  readonly settings: string
  /** `exact`: every vector is compared. */
  readonly search: 'exact' | 'approximate' | 'none'
  readonly load: () => Promise<VectorEngine>
}
