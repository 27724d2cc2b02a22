/** What is known of a model when one has to go. */
export interface Weighed {
  readonly bytes: number
  /** Of its last load; 0: it was never loaded. */
  readonly loadSeconds: number
  /** The share of the pool's requests that is for it; above 0. */
  readonly demand: number
}

/** Somebody needs room: the model that it is for, those that may go, and those that are not in memory and may come back. */
export interface Scene<T> {
  readonly wanted: T
  readonly idle: readonly T[]
  readonly absent: readonly T[]
}

export interface Cost {
  /** Never loaded: by its size, as the others load. 0 where nothing was ever loaded. */
  readonly loadSeconds: number
  /** demand × load seconds: how much longer each request to the pool takes, on average, for the model's absence. */
  readonly cost: number
}

/** The scene with what the absence of each model would cost. */
export function withCosts<T extends Weighed>({ wanted, idle, absent }: Scene<T>): Scene<T & Cost> {
  const known = [wanted, ...idle, ...absent].filter(({ loadSeconds }) => loadSeconds > 0)
  const secondsPerByte = sum(known, 'loadSeconds') / (sum(known, 'bytes') || 1)
  const withCost = (one: T): T & Cost => {
    const loadSeconds = one.loadSeconds || one.bytes * secondsPerByte
    return { ...one, loadSeconds, cost: one.demand * loadSeconds }
  }
  return { wanted: withCost(wanted), idle: idle.map(withCost), absent: absent.map(withCost) }
}

function sum(models: readonly Weighed[], key: 'bytes' | 'loadSeconds'): number {
  return models.reduce((total, one) => total + one[key], 0)
}
