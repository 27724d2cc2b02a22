/**
 * How often something is asked for, in requests per second, exponentially averaged: a request counts half after one half-life.
 * `value` is the rate at `at`; it decays between requests.
 */
export interface RequestRate {
  readonly value: number
  /** Milliseconds of the cache's clock. */
  readonly at: number
}

export const NO_REQUESTS: RequestRate = { value: 0, at: 0 }

export function rateAt(rate: RequestRate, now: number, halfLifeMs: number): number {
  return rate.value * 2 ** (-Math.max(0, now - rate.at) / halfLifeMs)
}

/** The rate after one more request at `now`. A steady stream of r requests per second settles at r. */
export function countRequest(rate: RequestRate, now: number, halfLifeMs: number): RequestRate {
  return { value: rateAt(rate, now, halfLifeMs) + perRequest(halfLifeMs), at: now }
}

/** So many requests are taken to have come in any case: a few say little about a model, and one that was not asked for lately may be. */
const PRIOR_REQUESTS = 2

/** The rate to plan by, in requests per second, for comparing models with each other: that of a model that came up once is never 0. */
export function demandAt(rate: RequestRate, now: number, halfLifeMs: number): number {
  return rateAt(rate, now, halfLifeMs) + PRIOR_REQUESTS * perRequest(halfLifeMs)
}

/** What one request adds to a rate. */
function perRequest(halfLifeMs: number): number {
  return Math.LN2 / (halfLifeMs / 1000)
}
