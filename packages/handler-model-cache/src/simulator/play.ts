import { chooseEvictions, type EvictionPolicy } from '../eviction-policy.js'
import { optionsSchema } from '../options.js'
import { countRequest, NO_REQUESTS, rateAt, type RequestRate } from '../request-rate.js'
import type { SimulatedCase } from './case.js'

const { rateHalfLife: HALF_LIFE_MS } = optionsSchema.parse({})

/** Seconds of loading that a policy pays for all requests of a case. It is the cache's own choice, with the cache's own rates; loads take no time. */
export function playPolicy(policy: EvictionPolicy, { models, budget, requests }: SimulatedCase): number {
  const resident = new Set<number>()
  const rates: RequestRate[] = models.map(() => NO_REQUESTS)
  const lastUsedAt = models.map(() => 0)
  let free = budget
  let paid = 0
  for (const { at, model } of requests) {
    const now = at * 1000
    rates[model] = countRequest(rates[model] ?? NO_REQUESTS, now, HALF_LIFE_MS)
    lastUsedAt[model] = now
    const wanted = models[model]
    if (wanted === undefined || resident.has(model)) continue
    paid += wanted.loadSeconds
    const evictable = [...resident].flatMap((i) => {
      const one = models[i]
      if (one === undefined) return []
      const cost = rateAt(rates[i] ?? NO_REQUESTS, now, HALF_LIFE_MS) * one.loadSeconds
      return [{ i, modelId: one.modelId, bytes: one.bytes, cost, lastUsedAt: lastUsedAt[i] ?? 0 }]
    })
    for (const { i, bytes } of chooseEvictions(policy, evictable, wanted.bytes - free) ?? []) {
      resident.delete(i)
      free += bytes
    }
    resident.add(model)
    free -= wanted.bytes
  }
  return paid
}
