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

/** What one request adds to a rate. */
function perRequest(halfLifeMs: number): number {
  return Math.LN2 / (halfLifeMs / 1000)
}
