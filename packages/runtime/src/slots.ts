import type { ClaimRequest, Want } from './queue.js'
import type { KnownType } from './registry.js'

export interface SlotsOptions {
  readonly types: ReadonlyMap<string, KnownType>
  readonly concurrency: number
  /** Types that take no slot. */
  readonly slotless: ReadonlySet<string>
}

export type Slots = ReturnType<typeof createSlots>

/**
 * What there is room for: the slots of the worker, and the places of each type within them. What a waiting claim has asked for counts as taken, for
 * it may be answered at any moment.
 */
export function createSlots({ types, concurrency, slotless }: SlotsOptions) {
  const waiting = new Set<ClaimRequest>()
  const taken = createCount()
  const reserved = createCount()

  function count(of: Count, request: ClaimRequest, sign: 1 | -1): void {
    const takesSlots = request.wants.some(({ type }) => !slotless.has(type))
    if (takesSlots) of.slots += sign * request.max
    for (const { type, free } of request.wants) of.add(type, sign * free)
  }

  return {
    /** For one delivery; answers the way to give the place back. */
    take(type: string): () => void {
      const slots = slotless.has(type) ? 0 : 1
      taken.slots += slots
      taken.add(type, 1)
      return () => {
        taken.slots -= slots
        taken.add(type, -1)
      }
    },
    reserve(request: ClaimRequest): void {
      waiting.add(request)
      count(reserved, request, 1)
    },
    giveBack(request: ClaimRequest): void {
      if (waiting.delete(request)) count(reserved, request, -1)
    },
    /** Claims that wait. */
    claims: () => waiting.size,
    isReserved: (type: string) => reserved.of(type) > 0,
    /** Neither taken nor asked for. */
    unclaimed: () => concurrency - taken.slots - reserved.slots,
    /** What a claim within `free` slots may ask for. */
    wants(free: number): Want[] {
      const wants: Want[] = []
      for (const { type, versions, concurrency: places } of types.values()) {
        const left = places - taken.of(type) - reserved.of(type)
        const ofType = Math.min(left, slotless.has(type) ? 1 : free)
        if (ofType > 0) wants.push({ type, versions, free: ofType })
      }
      return wants
    },
  }
}

interface Count {
  slots: number
  of(type: string): number
  add(type: string, places: number): void
}

function createCount(): Count {
  const places = new Map<string, number>()
  const of = (type: string) => places.get(type) ?? 0
  return { slots: 0, of, add: (type, more) => void places.set(type, of(type) + more) }
}
