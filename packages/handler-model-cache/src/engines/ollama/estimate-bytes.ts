/** What the server takes where nothing else is said. Source: ollama docs/context-length.mdx (less memory than 24 GiB of a GPU). */
const defaultContext = 4096
const bytesPerCacheValue = 2
/** Buffers of the computation. A guess on the high side: the server tells the real size after the load. */
const bufferBytes = 256 * 1024 * 1024
const weightsFactor = 1.1

/**
 * What a model will take of the server's memory: weights, key-value cache, buffers. Without the model's measures a quarter of the weights stands for
 * the cache.
 */
export function estimateBytes(
  weightBytes: number,
  info: Readonly<Record<string, unknown>>,
  contextLength: number | undefined,
): number {
  const architecture = info['general.architecture']
  const number = (key: string): number | null => {
    const value = typeof architecture === 'string' ? info[`${architecture}.${key}`] : null
    return typeof value === 'number' ? value : null
  }
  const layers = number('block_count')
  const heads = number('attention.head_count')
  const width = number('embedding_length')
  const cacheHeads = number('attention.head_count_kv') ?? heads
  const headWidth = number('attention.key_length') ?? (heads && width ? width / heads : null)
  const context = Math.min(number('context_length') ?? defaultContext, contextLength ?? defaultContext)
  const cacheBytes =
    layers && cacheHeads && headWidth
      ? 2 * layers * cacheHeads * headWidth * context * bytesPerCacheValue
      : weightBytes / 4
  return Math.ceil(weightBytes * weightsFactor + cacheBytes + bufferBytes)
}
