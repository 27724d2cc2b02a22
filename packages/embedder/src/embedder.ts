import { EmbedderError } from './errors.js'

/** What must be equal for two vectors to be comparable. */
export interface Fingerprint {
  /** The engine and its model, for example `builtin` or `openai/nomic-embed-text`. */
  name: string
  /** Changes whenever the same text would get another vector. */
  version: string
  /** Components per vector. */
  dimension: number
  /** SHA-256 of the model's data in hex, or `remote` if the data are on a server. */
  assetHash: string
}

export interface EmbedOptions {
  /** Aborting rejects the call with the signal's reason and stops its requests. */
  signal?: AbortSignal | undefined
}

/** Turns texts into vectors. Safe to share: calls may overlap. */
export interface Embedder {
  readonly fingerprint: Fingerprint
  /**
   * One vector per text, in the order of the texts, each of `fingerprint.dimension` components and of Euclidean
   * length 1, so that a dot product is the cosine. All or nothing: rejects with an `EmbedderError` (`TEXT_EMPTY`
   * if a text is empty or white space) or with the signal's reason. No texts give no vectors.
   */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>
  /** Stops what is under way and refuses further calls. May be called twice. Absent if there is nothing to stop. */
  close?(): Promise<void>
}

/** The fingerprint as one stable line, to be stored beside vectors and compared as a string. */
export function fingerprintText({ name, version, dimension, assetHash }: Fingerprint): string {
  return [name, version, String(dimension), assetHash].map(encodeURIComponent).join(' ')
}

/** Throws `TEXT_EMPTY` for the first text that has nothing to embed. */
export function refuseEmptyTexts(texts: readonly string[]): void {
  const textIndex = texts.findIndex((text) => !/\S/.test(text))
  if (textIndex === -1) return
  throw new EmbedderError('TEXT_EMPTY', `expected something to embed in text ${textIndex}, got white space`, {
    textIndex,
  })
}

/** Scales in place to length 1; false if that is impossible (all zero, or not finite). */
export function scaleToUnitLength(vector: Float32Array | Float64Array): boolean {
  let squares = 0
  for (const value of vector) squares += value * value
  const length = Math.sqrt(squares)
  if (length === 0 || !Number.isFinite(length)) return false
  for (let d = 0; d < vector.length; d += 1) vector[d] = (vector[d] ?? 0) / length
  return true
}
