export { type Embedder, type EmbedOptions, type Fingerprint, fingerprintText } from './embedder.js'
export { EmbedderError, type EmbedderErrorCode, embedderErrors, isEmbedderError } from './errors.js'
export { openEmbedder } from './open-embedder.js'
export { embedderOptions, type EmbedderOptions } from './options.js'
