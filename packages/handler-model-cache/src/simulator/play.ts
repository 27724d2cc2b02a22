import { withCosts } from '../eviction-cost.js'
import { createEvictionChooser, type EvictionPolicy } from '../eviction-policy.js'
import { optionsSchema } from '../options.js'
import { createRequestShares, type RequestShares } from '../request-shares.js'
import type { SimulatedCase, SimulatedModel } from './case.js'

const { rateHalfLife: HALF_LIFE_MS } = optionsSchema.parse({})

/** What the cache knows of a model: nothing before its first request. */
interface Seen {
  readonly model: SimulatedModel
  lastUsedAt: number
  /** 0 before the first load. */
  loadSeconds: number
  isResident: boolean
}

/** Seconds of loading that a policy pays for all requests of a case. It is the cache's own choice, with the shares of requests that it learns; loads take no time. */
export function playPolicy(policy: EvictionPolicy, { models, budget, requests }: SimulatedCase): number {
  const choose = createEvictionChooser(policy)
  const seen = new Map<number, Seen>()
  const shares = createRequestShares(HALF_LIFE_MS)
  let paid = 0
  for (const { at, model: index } of requests) {
    const model = models[index]
    if (model === undefined) continue
    const wanted = seen.get(index) ?? meet(model)
    seen.set(index, wanted)
    wanted.lastUsedAt = at * 1000
    shares.count(model.modelId, wanted.lastUsedAt)
    if (wanted.isResident) continue
    const look = (one: Seen) => lookAt(one, shares)
    const others = [...seen.values()].filter((one) => one !== wanted)
    const { idle, ...outlook } = withCosts({
      wanted: look(wanted),
      idle: others.filter(({ isResident }) => isResident).map(look),
      absent: others.filter(({ isResident }) => !isResident).map(look),
    })
    const free = budget - idle.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const { one } of choose(idle, model.bytes - free, outlook) ?? []) one.isResident = false
    paid += model.loadSeconds
    wanted.loadSeconds = model.loadSeconds
    wanted.isResident = true
  }
  return paid
}

function meet(model: SimulatedModel): Seen {
  return { model, lastUsedAt: 0, loadSeconds: 0, isResident: false }
}

function lookAt(one: Seen, shares: RequestShares) {
  const { model, lastUsedAt, loadSeconds } = one
  const { modelId, bytes } = model
  const demand = shares.shareOf(modelId)
  return { one, key: modelId, modelId, bytes, loadSeconds, lastUsedAt, demand }
}
