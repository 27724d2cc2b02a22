import type { CacheClock } from './clock.js'
import { withCosts, type Weighed } from './eviction-cost.js'
import { createEvictionChooser, type ChooseEvictions, type EvictionPolicy } from './eviction-policy.js'
import type { Ledger } from './ledger.js'
import { isInReach, strongestWish, type ModelEntry } from './model-entry.js'
import type { RequestShares } from './request-shares.js'

/** Why an eviction chose what it chose: everything that could have gone, and what each would have cost. */
export interface EvictionChoice {
  readonly at: number
  /** Another model needed the room, or the machine ran out of memory. */
  readonly reason: 'room' | 'memory'
  readonly forModel: string
  readonly neededBytes: number
  readonly policy: EvictionPolicy
  readonly candidates: readonly {
    readonly modelId: string
    readonly bytes: number
    readonly cost: number
    readonly chosen: boolean
  }[]
}

export interface ChoiceAround {
  readonly ledger: Ledger<ModelEntry>
  readonly clock: CacheClock
  /** Of the requests to this pool, by the keys of entries. */
  readonly shares: Pick<RequestShares, 'shareOf'>
  /** The entries of this pool. */
  readonly entries: () => Iterable<ModelEntry>
  readonly settings: {
    readonly policy: EvictionPolicy
    /** A model that became ready less than this ago is not evicted for others. */
    readonly minResidencyMs: number
  }
}

/** What is to go, and why it was that. */
export interface ChosenEvictions {
  readonly set: readonly ModelEntry[]
  readonly choice: EvictionChoice
}

/** Which idle models of one pool go for another one. */
export interface EvictionChooser {
  /** Those that free `bytes` for the entry; null where all that may go free too little. */
  toFree(entry: ModelEntry, bytes: number): ChosenEvictions | null
  /** Those that free `bytes`, or as much of it as there is, because memory ran out; null: nothing may go. */
  toFreeAtMost(entry: ModelEntry, bytes: number): ChosenEvictions | null
}

export function createPoolChooser(around: ChoiceAround): EvictionChooser {
  const choose = createEvictionChooser(around.settings.policy)
  return {
    toFree: (entry, bytes) => chosenFor(entry, bytes, 'room', { ...around, choose }),
    toFreeAtMost(entry, bytes) {
      const most = evictableFor(around, entry).reduce((sum, one) => sum + one.bytes, 0)
      return chosenFor(entry, Math.min(bytes, most), 'memory', { ...around, choose })
    },
  }
}

function chosenFor(
  wanted: ModelEntry,
  neededBytes: number,
  reason: EvictionChoice['reason'],
  around: ChoiceAround & { readonly choose: ChooseEvictions },
): ChosenEvictions | null {
  const { clock, ledger, choose } = around
  const { idle, ...outlook } = withCosts({
    wanted: lookAt(wanted, sizeOf(wanted, ledger) ?? neededBytes, around),
    idle: evictableFor(around, wanted),
    absent: absentIn(around, wanted),
  })
  const chosen = choose(idle, neededBytes, outlook)
  if (chosen === null || chosen.length === 0) return null
  const candidates = idle.map((one) => {
    const { modelId, bytes: size, cost } = one
    return { modelId, bytes: size, cost, chosen: chosen.includes(one) }
  })
  const { policy } = around.settings
  const choice = { reason, at: clock.now(), forModel: wanted.model.modelId, neededBytes, policy, candidates }
  return { set: chosen.map(({ entry }) => entry), choice }
}

interface ModelInSight extends Weighed {
  readonly entry: ModelEntry
  readonly key: string
  readonly modelId: string
  readonly lastUsedAt: number
}

/** Ready, idle, not pinned, within reach of the rule, and past its minimum residency. */
function evictableFor(around: ChoiceAround, wanted: ModelEntry): ModelInSight[] {
  const { entries, clock, settings, ledger } = around
  const { priority, evict } = strongestWish(wanted)
  const now = clock.now()
  const idle: ModelInSight[] = []
  for (const entry of entries()) {
    if (entry === wanted || entry.state !== 'ready' || entry.uses > 0 || entry.pinned) continue
    if (!isInReach(entry, evict, priority) || now < entry.readyAt + settings.minResidencyMs) continue
    idle.push(lookAt(entry, ledger.bytesOf(entry), around))
  }
  return idle
}

/** Those that are not in memory and that somebody asked for: they may come back. */
function absentIn(around: ChoiceAround, wanted: ModelEntry): ModelInSight[] {
  const { entries, ledger } = around
  return [...entries()].flatMap((entry) => {
    const isOut = entry.state === 'absent' || entry.state === 'failed'
    const bytes = sizeOf(entry, ledger)
    if (entry === wanted || !isOut || bytes === null) return []
    return [lookAt(entry, bytes, around)]
  })
}

/** What it takes, or took or was thought to take; null: never seen. */
function sizeOf(entry: ModelEntry, ledger: Ledger<ModelEntry>): number | null {
  return ledger.bytesOf(entry) || (entry.measuredBytes ?? entry.estimatedBytes)
}

function lookAt(entry: ModelEntry, bytes: number, { shares }: ChoiceAround): ModelInSight {
  const { key, model, lastUsedAt } = entry
  const loadSeconds = entry.loadMs / 1000
  return { entry, key, modelId: model.modelId, bytes, loadSeconds, demand: shares.shareOf(key), lastUsedAt }
}
