import { seededRandom } from './seeded-random.js'

export interface SimulatedModel {
  readonly modelId: string
  readonly bytes: number
  readonly loadSeconds: number
}

export interface SimulatedRequest {
  /** Seconds from the start. */
  readonly at: number
  /** Index into `models`. */
  readonly model: number
}

/** One machine, its models and what is asked of them. */
export interface SimulatedCase {
  readonly seed: number
  readonly models: readonly SimulatedModel[]
  readonly budget: number
  readonly requests: readonly SimulatedRequest[]
}

const REQUESTS = 400
const GIB = 2 ** 30

/**
 * A case made from its seed alone. Sizes from 0.5 to 24 GiB, more small ones than large; load seconds by size and a bandwidth that differs by a factor
 * of six between models (local disk, network, a slow graph optimizer); popularity by Zipf's law over a random order, which in every second case is shuffled
 * half-way; arrivals at random (Poisson); a budget of 35 to 75 % of all models together.
 */
export function makeCase(seed: number): SimulatedCase {
  const random = seededRandom(seed)
  const count = 5 + Math.floor(random() * 5)
  const models = Array.from({ length: count }, (_, i) => makeModel(i, random))
  const total = models.reduce((sum, { bytes }) => sum + bytes, 0)
  const largest = Math.max(...models.map(({ bytes }) => bytes))
  const budget = Math.max(largest, Math.round(total * (0.35 + 0.4 * random())))
  return { seed, models, budget, requests: makeRequests(count, random, seed % 2 === 0) }
}

function makeModel(i: number, random: () => number): SimulatedModel {
  const gib = 0.5 * 48 ** random()
  const secondsPerGib = 0.4 * 6 ** random()
  return {
    modelId: `model-${i}`,
    bytes: Math.round(gib * GIB),
    loadSeconds: 0.5 + gib * secondsPerGib,
  }
}

function makeRequests(count: number, random: () => number, drifts: boolean): SimulatedRequest[] {
  const skew = 0.6 + random()
  let order = shuffled(count, random)
  let at = 0
  return Array.from({ length: REQUESTS }, (_, i) => {
    if (drifts && i === REQUESTS / 2) order = shuffled(count, random)
    at += -Math.log(1 - random()) * 30
    return { at, model: order[rank(count, skew, random())] ?? 0 }
  })
}

/** A rank from 0 with the probability of Zipf's law. */
function rank(count: number, skew: number, point: number): number {
  const weights = Array.from({ length: count }, (_, i) => 1 / (i + 1) ** skew)
  let left = point * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [i, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return i
  }
  return count - 1
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    const kept = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = kept
  }
  return order
}
