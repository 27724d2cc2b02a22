import { isModelError, ModelError } from './errors.js'
import type { Attempt, ModelEntry, ModelWish, Waiter } from './model-entry.js'
import { refuseSome } from './refuse-some.js'

/**
 * Finds missing and broken models, and settles what the load will take: as it measured the last time or its load takes at the peak, else as the wish says, else the engine's estimate. Who
 * waits is held to its own word: who asks for another content than there is, or for more memory than there is, is told so, and the others go on. Answers
 * the wish to load by.
 */
export async function sizeUp(
  entry: ModelEntry,
  attempt: Attempt,
  first: ModelWish,
): Promise<{ readonly wish: ModelWish; readonly bytes: number }> {
  await findContent(entry, attempt)
  const { limit, pool } = entry.ledger
  const measured = isMeasured(entry, attempt) ? entry.measuredBytes : null
  const tooLarge = (bytes: number) =>
    new ModelError(
      'MODEL_OVER_BUDGET',
      `expected ${entry.model.modelId} to take at most the ${limit} bytes of ${pool}, got ${bytes}`,
    )
  const fits = (bytes: number) => limit === null || bytes <= limit
  if (measured === null)
    refuseSome(
      entry,
      ({ wish }) => !fits(wish.memoryBytes ?? 0),
      ({ wish }) => tooLarge(wish.memoryBytes ?? 0),
    )
  const lead = [...entry.waiters][0]?.wish ?? first
  entry.estimatedBytes = lead.memoryBytes ?? attempt.estimatedBytes ?? 0
  // a first load that went beyond the limit by its peak went well: the whole pool has to do
  const peak =
    attempt.peakBytes === null ? 0 : Math.min(lead.memoryBytes ?? attempt.peakBytes, limit ?? Infinity)
  const bytes = measured === null ? entry.estimatedBytes : Math.max(measured, peak)
  if (!fits(bytes)) throw tooLarge(bytes)
  return { wish: lead, bytes }
}

async function findContent(entry: ModelEntry, attempt: Attempt): Promise<void> {
  for (;;) {
    const asked = digestAsked(entry)
    try {
      const model = { ...entry.model, digest: asked }
      const estimate = await entry.engine.estimate(model, attempt.controller.signal)
      const digest = asked ?? estimate.digest
      // somebody came meanwhile who asks for one, and nobody knows which it is
      if (digest === null && digestAsked(entry) !== null) continue
      refuseSome(
        entry,
        ({ wish }) => isOther(wish.model.digest, digest),
        ({ wish }) => mismatch(wish, `${digest}`),
      )
      const { bytes: estimatedBytes, peakBytes = null } = estimate
      Object.assign(attempt, { isSized: true, estimatedBytes, peakBytes })
      entry.digest = digest
      return
    } catch (error) {
      const isHis = asked !== null && isModelError(error) && error.code === 'DIGEST_MISMATCH'
      const isOne = ({ wish }: Waiter) => wish.model.digest === asked
      if (!isHis || !refuseSome(entry, isOne, () => error)) throw error
    }
  }
}

/** By one of those who wait; null: by nobody. Once the content is settled they all ask for the same. */
export function digestAsked({ waiters }: ModelEntry): string | null {
  return [...waiters].find(({ wish }) => wish.model.digest !== null)?.wish.model.digest ?? null
}

function isOther(asked: string | null, digest: string | null): boolean {
  return asked !== null && asked !== digest
}

export function mismatch({ model }: ModelWish, got: string): ModelError {
  return new ModelError('DIGEST_MISMATCH', `expected ${model.modelId} with ${model.digest}, got ${got}`)
}

/** Another content under the same name is another size; where nobody knows the content, another estimate tells of another one. */
function isMeasured({ measuredOf, digest }: ModelEntry, { estimatedBytes }: Attempt): boolean {
  if (measuredOf === null || measuredOf.digest !== digest) return false
  return digest !== null || measuredOf.estimatedBytes === estimatedBytes
}
