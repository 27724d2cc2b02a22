/** How the requests to one pool are shared among its models, learnt from those that came. */
export interface RequestShares {
  /** One more request, at `now` in milliseconds; times never go back. */
  count(key: string, now: number): void
  /** The probability that the next request is for this model, of those that were asked for; above 0, for any other one too. */
  shareOf(key: string): number
}

/** One guess at when the requests became what they are, and what came since. */
interface Era {
  readonly counts: Map<string, number>
  total: number
  /** By concentration: how probable it is that this is the era, and that the concentration; over all eras they add up to 1. */
  readonly weights: number[]
}

/** Requests that each model is thought to have had before the first: the more, the more alike models are taken to be. Which is true is learnt. */
const CONCENTRATIONS = [1, 2, 4]
/** An era ends after so many half-lives on average: what is asked for changes at once, with a release or the time of day. */
const HALF_LIVES_PER_ERA = 10
/** The least chance that an era ends with a request, however soon it comes after the one before. */
const LEAST_CHANGE = 0.001
/** The least probable is dropped beyond that. */
const MOST_ERAS = 16
/** The one longest not asked for is forgotten beyond that. */
const MOST_KEYS = 1000

/**
 * Bayesian online change-point detection (Adams and MacKay, 2007, arXiv:0710.3742): requests are drawn from shares that stay for an era and are drawn
 * anew when it ends. Each moment at which the present era may have begun keeps its own counts, with Dirichlet priors, and weighs as much as it foretold the
 * requests since. So shares get more certain while nothing changes, and the past is forgotten as soon as it foretells worse than nothing.
 */
export function createRequestShares(halfLifeMs: number): RequestShares {
  const known = new Set<string>()
  let eras = [newEra(CONCENTRATIONS.map(() => 1 / CONCENTRATIONS.length))]
  let lastAt: number | null = null
  return {
    count(key, now) {
      // kept in the order of their last request
      known.delete(key)
      known.add(key)
      if (known.size > MOST_KEYS) forgetOldest(known, eras)
      if (lastAt !== null) eras = mayHaveEnded(eras, chanceOfChange(now - lastAt, halfLifeMs))
      lastAt = now
      weigh(eras, key, known.size)
      for (const era of eras) {
        era.counts.set(key, (era.counts.get(key) ?? 0) + 1)
        era.total += 1
      }
      if (eras.length > MOST_ERAS) eras = withoutLeast(eras)
    },
    shareOf: (key) => eras.reduce((sum, era) => sum + sumOf(foretell(era, key, Math.max(1, known.size))), 0),
  }
}

function newEra(weights: number[]): Era {
  return { counts: new Map(), total: 0, weights }
}

function chanceOfChange(elapsedMs: number, halfLifeMs: number): number {
  return Math.max(LEAST_CHANGE, 1 - Math.exp(-elapsedMs / (HALF_LIVES_PER_ERA * halfLifeMs)))
}

/** By concentration: the era's weight × the share that it gives the model. */
function foretell({ counts, total, weights }: Era, key: string, models: number): number[] {
  const count = counts.get(key) ?? 0
  return CONCENTRATIONS.map((prior, i) => ((weights[i] ?? 0) * (count + prior)) / (total + models * prior))
}

function mayHaveEnded(eras: readonly Era[], chance: number): Era[] {
  const begun = CONCENTRATIONS.map((_, i) => chance * sumOf(eras.map(({ weights }) => weights[i] ?? 0)))
  for (const { weights } of eras) scale(weights, 1 - chance)
  return [...eras, newEra(begun)]
}

/** Bayes' rule: each weight by how well it foretold the request. */
function weigh(eras: readonly Era[], key: string, models: number): void {
  for (const era of eras) era.weights.splice(0, CONCENTRATIONS.length, ...foretell(era, key, models))
  normalize(eras)
}

function normalize(eras: readonly Era[]): void {
  const all = sumOf(eras.map(({ weights }) => sumOf(weights)))
  for (const { weights } of eras) scale(weights, 1 / all)
}

/** The newest stays: it has had no time to prove itself. */
function withoutLeast(eras: readonly Era[]): Era[] {
  const older = eras.slice(0, -1).map(({ weights }) => sumOf(weights))
  const least = older.indexOf(Math.min(...older))
  const kept = eras.filter((_, i) => i !== least)
  normalize(kept)
  return kept
}

function forgetOldest(known: Set<string>, eras: readonly Era[]): void {
  const [oldest = ''] = known
  known.delete(oldest)
  for (const era of eras) {
    era.total -= era.counts.get(oldest) ?? 0
    era.counts.delete(oldest)
  }
}

function scale(weights: number[], by: number): void {
  for (const [i, weight] of weights.entries()) weights[i] = weight * by
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
