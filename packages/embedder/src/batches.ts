export interface BatchLimits {
  texts: number
  /** A longer text is a batch of its own. */
  characters: number
}

/** Cuts texts into batches in order; no batch is empty. */
export function cutIntoBatches(texts: readonly string[], limits: BatchLimits): string[][] {
  const batches: string[][] = []
  let batch: string[] = []
  let characters = 0
  for (const text of texts) {
    const full = batch.length >= limits.texts || characters + text.length > limits.characters
    if (full && batch.length > 0) {
      batches.push(batch)
      batch = []
      characters = 0
    }
    batch.push(text)
    characters += text.length
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
