import type { LoadedModel, WarmupTimes } from './engine.js'
import { isModelError, type ModelErrorCode } from './errors.js'
import type { Attempt, ModelEntry, ModelWish, WarmupWish } from './model-entry.js'
import { refuseSome } from './refuse-some.js'

/** What inputs or a prompt that do not fit the model end with. */
const REFUSED: ReadonlySet<ModelErrorCode> = new Set([
  'WARMUP_UNFIT',
  'WARMUP_FAILED',
  'WARMUP_TIMEOUT',
  'MODEL_UNSUPPORTED',
])

/**
 * Runs the model as `first` wishes. Where that fails by inputs or a prompt of its own, who gave them is told so, and it is warmed as the next of those who wait
 * wishes. null: nobody wishes a warmup.
 */
export async function warmUp(
  entry: ModelEntry,
  loaded: LoadedModel,
  first: ModelWish,
  attempt: Attempt,
): Promise<WarmupTimes | null> {
  let { warmup } = first
  const { signal } = attempt.controller
  while (warmup !== null) {
    const tried = warmup
    attempt.isBlameless = false
    try {
      return await loaded.warmup({ ...tried, signal })
    } catch (error) {
      signal.throwIfAborted()
      const isTheirs = hasOwnInput(tried) && isModelError(error) && REFUSED.has(error.code)
      attempt.isBlameless = isTheirs
      if (
        !isTheirs ||
        !refuseSome(
          entry,
          ({ wish }) => isSame(wish.warmup, tried),
          () => error,
        )
      )
        throw error
      warmup = [...entry.waiters][0]?.wish.warmup ?? null
    }
  }
  return null
}

function hasOwnInput({ inputs, prompt }: WarmupWish): boolean {
  return inputs !== undefined || prompt !== undefined
}

function isSame(one: WarmupWish | null, other: WarmupWish): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
