import type { ClaimRequest } from './queue.js'

/** The slots that waiting claims have asked for: who asks for more counts them as taken. */
export function createReservations(slotless: ReadonlySet<string>) {
  const waiting = new Set<ClaimRequest>()
  const ofType = new Map<string, number>()
  let slots = 0

  function count(request: ClaimRequest, sign: 1 | -1): void {
    const takesSlots = request.wants.some(({ type }) => !slotless.has(type))
    if (takesSlots) slots += sign * request.max
    for (const { type, free } of request.wants) ofType.set(type, (ofType.get(type) ?? 0) + sign * free)
  }

  return {
    add(request: ClaimRequest): void {
      waiting.add(request)
      count(request, 1)
    },
    remove(request: ClaimRequest): void {
      if (waiting.delete(request)) count(request, -1)
    },
    claims: () => waiting.size,
    slots: () => slots,
    ofType: (type: string) => ofType.get(type) ?? 0,
  }
}
