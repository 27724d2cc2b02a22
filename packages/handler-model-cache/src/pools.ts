import type { ModelEngine } from './engine.js'
import { ModelError } from './errors.js'
import { createLedger, type Ledger } from './ledger.js'
import type { ModelEntry } from './model-entry.js'
import { createRequestShares, type RequestShares } from './request-shares.js'
import { createRoom, type Room, type RoomAround, type RoomSettings } from './room.js'

/** One memory: its ledger, and the line of those who want some of it. */
export interface Pool {
  readonly ledger: Ledger<ModelEntry>
  readonly room: Room
  /** Of the requests to it, by the keys of entries. */
  readonly shares: RequestShares
}

export interface PoolSettings extends RoomSettings {
  readonly rateHalfLifeMs: number
  /** The limit of each pool in bytes; a pool that is not named is not limited. */
  readonly limits: ReadonlyMap<string, number>
}

/** One for each pool that an engine names. */
export function createPools(
  engines: readonly ModelEngine[],
  settings: PoolSettings,
  around: Omit<RoomAround, 'ledger' | 'settings' | 'shares'>,
): ReadonlyMap<string, Pool> {
  const names = new Set(engines.map(({ pool }) => pool))
  return new Map(
    [...names].map((name) => {
      const ledger = createLedger<ModelEntry>(name, settings.limits.get(name) ?? null)
      const entries = () => [...around.entries()].filter((entry) => entry.ledger === ledger)
      const shares = createRequestShares(settings.rateHalfLifeMs)
      return [name, { ledger, shares, room: createRoom({ ...around, ledger, settings, shares, entries }) }]
    }),
  )
}

/** Throws ENGINE_UNKNOWN for an engine that the pools were not made for. */
export function poolOf(pools: ReadonlyMap<string, Pool>, engine: ModelEngine): Pool {
  const pool = pools.get(engine.pool)
  if (pool === undefined)
    throw new ModelError('ENGINE_UNKNOWN', `expected an engine of this cache, got ${engine.name}`)
  return pool
}

/** `reserved`: of loads under way; `used`: everything else that is counted, that of others included. */
export function bytesIn(
  { ledger }: Pool,
  entries: Iterable<ModelEntry>,
): { readonly used: number; readonly reserved: number } {
  let reserved = 0
  for (const entry of entries)
    if (entry.state === 'queued' || entry.state === 'loading') reserved += ledger.bytesOf(entry)
  return { used: ledger.total() - reserved, reserved }
}
