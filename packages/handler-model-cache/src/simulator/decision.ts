import { withCosts } from '../eviction-cost.js'
import { createEvictionChooser, type Evictable, type EvictionPolicy } from '../eviction-policy.js'
import { optionsSchema } from '../options.js'
import { createRequestShares } from '../request-shares.js'
import { seededRandom } from './seeded-random.js'

/** An idle model with what only the simulation knows: how often it will really be asked for. */
export interface IdleModel extends Evictable {
  /** Requests per second. */
  readonly trueRate: number
}

/** One eviction to decide. */
export interface Decision {
  readonly seed: number
  readonly idle: readonly IdleModel[]
  readonly wanted: Evictable
  readonly neededBytes: number
}

const { rateHalfLife: HALF_LIFE_MS } = optionsSchema.parse({})
const PAST_MS = 3_600_000
const GIB = 2 ** 30

/**
 * Made from its seed alone: 4 to 12 idle models, sizes and load times as in `makeCase`, true rates over two orders of magnitude, an hour of random
 * requests behind them from which the cache has learnt their shares, and 10 to 60 % of their memory needed.
 */
export function makeDecision(seed: number): Decision {
  const random = seededRandom(seed + 1_000_000)
  const pasts = Array.from({ length: 4 + Math.floor(random() * 9) }, (_, i) => makePast(i, random))
  const shares = createRequestShares(HALF_LIFE_MS)
  const requests = pasts.flatMap(({ model, requestsAt }) => requestsAt.map((at) => ({ at, key: model.key })))
  for (const { at, key } of requests.toSorted((a, b) => a.at - b.at)) shares.count(key, at)
  const models = pasts.map(({ model }) => ({ ...model, demand: shares.shareOf(model.key) }))
  const total = models.reduce((sum, { bytes }) => sum + bytes, 0)
  const neededBytes = Math.round(total * (0.1 + 0.5 * random()))
  return { seed, neededBytes, ...withCosts({ wanted: wantedOf(neededBytes), idle: models, absent: [] }) }
}

/** What the room is for. It is there to stay: who is given up does not come back in its place. */
function wantedOf(bytes: number) {
  const key = 'wanted'
  return { key, modelId: key, bytes, loadSeconds: 1e6, trueRate: 1, lastUsedAt: PAST_MS, demand: 1 }
}

/** An idle model and the requests behind it, in milliseconds. */
function makePast(i: number, random: () => number) {
  const gib = 0.5 * 48 ** random()
  const loadSeconds = 0.5 + gib * 0.4 * 6 ** random()
  const trueRate = 0.001 * 100 ** random()
  const requestsAt: number[] = []
  for (let at = 0; ; requestsAt.push(at)) {
    at += (-Math.log(1 - random()) / trueRate) * 1000
    if (at > PAST_MS) break
  }
  const key = `model-${i}`
  const lastUsedAt = requestsAt.at(-1) ?? 0
  const bytes = Math.round(gib * GIB)
  return { requestsAt, model: { key, modelId: key, bytes, loadSeconds, trueRate, lastUsedAt } }
}

/** What a set costs in seconds of loading per second: by what the cache has seen, or really. */
export type Judge = (chosen: readonly IdleModel[]) => number

export const seenCost: Judge = (chosen) => chosen.reduce((sum, { cost }) => sum + cost, 0)

export const trueCost: Judge = (chosen) =>
  chosen.reduce((sum, { trueRate, loadSeconds }) => sum + trueRate * loadSeconds, 0)

/** What the policy's choice costs. */
export function decide(policy: EvictionPolicy, decision: Decision, judge: Judge): number {
  const { idle, wanted, neededBytes } = decision
  const chosen = createEvictionChooser(policy)(idle, neededBytes, { wanted, absent: [] })
  if (chosen === null) throw new Error('expected a decision that can be met')
  return judge(chosen)
}

/** The least that any set that frees enough costs: every set is tried. */
export function bestDecision({ idle, neededBytes }: Decision, judge: Judge): number {
  let best = Number.POSITIVE_INFINITY
  for (let set = 1; set < 1 << idle.length; set += 1) {
    const chosen = idle.filter((_, i) => (set >> i) & 1)
    const freed = chosen.reduce((sum, { bytes }) => sum + bytes, 0)
    if (freed >= neededBytes) best = Math.min(best, judge(chosen))
  }
  return best
}
