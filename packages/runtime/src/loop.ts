import type { AbortReason } from './plugin.js'
import type { Claim, ClaimRequest, Wake, Want } from './queue.js'
import type { KnownType } from './registry.js'
import { createReservations } from './reservations.js'
import { runDelivery, type DeliverySurroundings, type Running } from './run-delivery.js'
import type { Delivery } from './task.js'

/** How long a claim waits in the queue for work before it is asked again. */
const CLAIM_WAIT_MS = 10_000
/** After a fault of the queue, and for drivers that answer empty at once. */
const PAUSE_MS = 200
/** So many claims wait at once: while one is on its way back with its deliveries, the queue has another to serve. */
const CLAIMS_AT_ONCE = 2
/** After a queue fault the pause doubles up to this. */
const LONGEST_PAUSE_MS = 5000

export interface LoopOptions {
  readonly types: ReadonlyMap<string, KnownType>
  readonly concurrency: number
  /** Types that take no slot. */
  readonly slotless: ReadonlySet<string>
  readonly around: DeliverySurroundings
}

export interface Loop {
  start(): void
  /** From here on nothing is claimed; what is in hand runs on. */
  stopClaiming(): void
  abortAll(reason: AbortReason): void
  /** Resolves when nothing is in hand any more. */
  drained(): Promise<void>
  inHand(): readonly string[]
}

/**
 * Free slots → claim → runDelivery. A claim reserves the slots that it asks for; two share the free ones, and what comes free while both wait is
 * asked for when the next of them is answered. Survives faults of the queue.
 *
 * A suspect (see decide.ts) runs alone: when the queue says that one waits, nothing new is claimed until nothing is in hand; then it is
 * claimed, and again nothing beside it.
 */
export function createLoop({ types, concurrency, slotless, around }: LoopOptions): Loop {
  const { queue, logger, metrics } = around
  const inHand = new Map<string, Running>()
  const busy = new Map<string, number>()
  const idle = new Set<() => void>()
  let slotsTaken = 0
  let suspects = 0
  let alone = false
  const reserved = createReservations(slotless)
  let claiming = false
  let recalled = false
  let givingBack = 0
  let poked = false
  let pauseMs = PAUSE_MS
  let renewing: NodeJS.Timeout | null = null
  let stopListening: (() => void) | null = null

  /** Looks for work soon: what ends together is answered by one claim. */
  function poke(): void {
    if (poked || !claiming) return
    poked = true
    process.nextTick(() => {
      poked = false
      claim()
    })
  }

  function nextRequest(): ClaimRequest | null {
    if (alone) return null
    if (suspects > 0) {
      const nothingElse = inHand.size === 0 && reserved.claims() === 0
      return nothingElse ? { wants: wantsWithin(concurrency), max: 1, alone: true } : null
    }
    const unclaimed = concurrency - slotsTaken - reserved.slots()
    const free = reserved.claims() === 0 ? Math.ceil(unclaimed / CLAIMS_AT_ONCE) : unclaimed
    const wants = wantsWithin(free)
    const max = free > 0 ? free : wants.length
    return wants.length === 0 ? null : { wants, max, waitMs: CLAIM_WAIT_MS }
  }

  function wantsWithin(free: number): Want[] {
    const wants: Want[] = []
    for (const known of types.values()) {
      const left = known.concurrency - (busy.get(known.type) ?? 0) - reserved.ofType(known.type)
      const ofType = slotless.has(known.type) ? Math.min(1, left) : Math.min(free, left)
      if (ofType > 0) wants.push({ type: known.type, versions: known.versions, free: ofType })
    }
    return wants
  }

  function claim(): void {
    // a claim that waits for other types would not be answered because of a suspect, and nothing else may be claimed beside it
    if (suspects > 0) recall()
    for (;;) {
      const request = claiming ? nextRequest() : null
      if (!request) return
      if (reserved.claims() < CLAIMS_AT_ONCE) ask(request)
      // a type that no waiting claim asks for has places again
      else if (request.wants.some(({ type }) => reserved.ofType(type) === 0)) return recall()
      else return
    }
  }

  /** The waiting claims answer empty; new ones ask for what is free then. */
  function recall(): void {
    if (recalled || reserved.claims() === 0) return
    recalled = true
    queue.claim({ wants: [], max: 0 }).catch(() => {})
  }

  function ask(request: ClaimRequest): void {
    if (reserved.claims() === 0) recalled = false
    reserved.add(request)
    const askedAt = around.clock.monotonic()
    queue.claim(request).then(
      (answer) => {
        reserved.remove(request)
        pauseMs = PAUSE_MS
        accept(answer, request, around.clock.monotonic() - askedAt)
      },
      (error: unknown) => {
        reserved.remove(request)
        tellIdle()
        if (!claiming) return
        logger.warn({ error: String(error) }, 'claim_failed')
        setTimeout(poke, pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
      },
    )
  }

  function accept(answer: Claim, request: ClaimRequest, tookMs: number): void {
    if (!claiming) return giveBack(answer)
    // a claim knows of the suspects among the types that it wants; only one for all types knows that there is none
    if (answer.suspects > 0 || request.alone) suspects = answer.suspects
    if (request.alone && answer.deliveries.length > 0) alone = true
    for (const delivery of answer.deliveries) begin(delivery)
    if (answer.deliveries.length > 0 || suspects > 0) return poke()
    if (reserved.claims() > 0) return
    // empty at once, and no other claim waits: the driver cannot wait itself
    if (!recalled && tookMs < CLAIM_WAIT_MS / 2) setTimeout(poke, PAUSE_MS)
    else poke()
  }

  /** Claimed on the way into the shutdown. */
  function giveBack(answer: Claim): void {
    givingBack++
    const releases = answer.deliveries.map(({ fence }) => queue.settle(fence, { kind: 'release' }))
    void Promise.allSettled(releases).then(() => {
      givingBack--
      tellIdle()
    })
  }

  function isIdle(): boolean {
    return inHand.size === 0 && reserved.claims() === 0 && givingBack === 0
  }

  function tellIdle(): void {
    if (!isIdle()) return
    for (const resolve of idle) resolve()
    idle.clear()
  }

  function begin(delivery: Delivery): void {
    const { type } = delivery.task
    const known = types.get(type)
    if (!known) return
    const slots = slotless.has(type) ? 0 : 1
    slotsTaken += slots
    busy.set(type, (busy.get(type) ?? 0) + 1)
    metrics.active.inc()
    metrics.wait.observe({ task_type: type }, Math.max(0, around.clock.wall() - delivery.task.runAt) / 1000)
    const running = runDelivery(delivery, known, around)
    inHand.set(delivery.fence, running)
    void running.performed.then(() => {
      slotsTaken -= slots
      busy.set(type, (busy.get(type) ?? 1) - 1)
      metrics.active.dec()
      poke()
    })
    void running.settled.then(() => finish(delivery.fence))
  }

  function finish(fence: string): void {
    inHand.delete(fence)
    if (inHand.size > 0) return
    alone = false
    tellIdle()
    poke()
  }

  function onWake(wake: Wake): void {
    for (const fence of wake.cancelled) inHand.get(fence)?.deadline.abort('cancel')
    for (const fence of wake.lost) inHand.get(fence)?.deadline.abort('lease_lost')
    if (wake.ready && reserved.claims() === 0) poke()
  }

  /** For drivers whose leases the keeper does not renew. */
  async function renew(): Promise<void> {
    const fences = [...inHand.keys()]
    if (fences.length === 0) return
    const answers = await queue.renew(fences)
    for (const [index, fence] of fences.entries()) {
      if (answers[index] === 'stale') inHand.get(fence)?.deadline.abort('lease_lost')
    }
  }

  function startRenewing(): void {
    if (queue.capabilities.keeperRenews) return
    renewing = setInterval(() => {
      renew().catch((error: unknown) => logger.warn({ error: String(error) }, 'renew_failed'))
    }, around.leaseMs / 3)
  }

  function endWhenIdle(): void {
    if (renewing) clearInterval(renewing)
    stopListening?.()
  }

  return {
    start() {
      claiming = true
      stopListening = queue.onWake(onWake)
      startRenewing()
      poke()
    },
    stopClaiming() {
      claiming = false
      recall()
    },
    abortAll(reason) {
      for (const running of inHand.values()) running.deadline.abort(reason)
    },
    inHand: () => [...inHand.keys()],
    async drained() {
      if (!isIdle()) await new Promise<void>((resolve) => idle.add(resolve))
      endWhenIdle()
    },
  }
}
