import type { AbortReason } from './plugin.js'
import { giveBack } from './give-back.js'
import { createInHand } from './in-hand.js'
import type { Claim, ClaimRequest, Wake } from './queue.js'
import type { DeliverySurroundings } from './run-delivery.js'
import { createSlots, type SlotsOptions } from './slots.js'

/** How long a claim waits in the queue for work before it is asked again. */
const CLAIM_WAIT_MS = 10_000
/** After a fault of the queue, and for drivers that answer empty at once. */
const PAUSE_MS = 200
/** So many claims wait at once: while one is on its way back with its deliveries, the queue has another to serve. */
const CLAIMS_AT_ONCE = 2
/** After a queue fault the pause doubles up to this. */
const LONGEST_PAUSE_MS = 5000
/** How often a worker that waits to run a suspect alone asks whether another one has taken it. */
const RECOUNT_MS = 1000

export interface LoopOptions extends SlotsOptions {
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
 * A suspect (see decide.ts) runs alone: when the queue says that one waits, nothing new is claimed until nothing is in hand, or another worker has
 * taken it; then it is claimed, and again nothing beside it.
 */
export function createLoop({ around, ...options }: LoopOptions): Loop {
  const { queue, logger, clock } = around
  const slots = createSlots(options)
  const inHand = createInHand({
    types: options.types,
    around,
    take: (type) => slots.take(type),
    onFree: poke,
    onEmpty,
  })
  const idle = new Set<() => void>()
  let suspects = 0
  let alone = false
  let claiming = false
  let recalled = false
  let givingBack = 0
  let poked = false
  let pauseMs = PAUSE_MS
  let recounting: NodeJS.Timeout | null = null
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

  function claim(): void {
    // a claim that waits for other types would not be answered because of a suspect, and nothing else may be claimed beside it
    if (suspects > 0) {
      recall()
      recount()
    }
    for (;;) {
      const request = claiming ? nextRequest() : null
      if (!request) return
      if (slots.claims() < CLAIMS_AT_ONCE) ask(request)
      // a type that no waiting claim asks for has places again
      else if (request.wants.some(({ type }) => !slots.isReserved(type))) return recall()
      else return
    }
  }

  function nextRequest(): ClaimRequest | null {
    if (alone) return null
    if (suspects > 0) {
      const nothingElse = inHand.isEmpty() && slots.claims() === 0
      return nothingElse ? { wants: slots.wants(options.concurrency), max: 1, alone: true } : null
    }
    const unclaimed = slots.unclaimed()
    const free = slots.claims() === 0 ? Math.ceil(unclaimed / CLAIMS_AT_ONCE) : unclaimed
    const wants = slots.wants(free)
    const max = free > 0 ? free : wants.length
    return wants.length === 0 ? null : { wants, max, waitMs: CLAIM_WAIT_MS }
  }

  /** The waiting claims answer empty; new ones ask for what is free then. */
  function recall(): void {
    if (recalled || slots.claims() === 0) return
    recalled = true
    queue.claim({ wants: [], max: 0 }).catch(() => {})
  }

  /** What is in hand may take long: a suspect that somebody else has taken meanwhile is none to wait for. */
  function recount(): void {
    recounting ??= setTimeout(() => {
      recounting = null
      if (!claiming || suspects === 0 || alone) return
      queue.claim({ wants: slots.wants(options.concurrency), max: 0 }).then((answer) => {
        suspects = answer.suspects
        poke()
      }, poke)
    }, RECOUNT_MS)
  }

  function ask(request: ClaimRequest): void {
    if (slots.claims() === 0) recalled = false
    slots.reserve(request)
    const askedAt = clock.monotonic()
    queue.claim(request).then(
      (answer) => {
        slots.giveBack(request)
        pauseMs = PAUSE_MS
        accept(answer, request, clock.monotonic() - askedAt)
      },
      (error: unknown) => {
        slots.giveBack(request)
        tellIdle()
        if (!claiming) return
        logger.warn({ error: String(error) }, 'claim_failed')
        setTimeout(poke, pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
      },
    )
  }

  function accept(answer: Claim, request: ClaimRequest, tookMs: number): void {
    if (!claiming) return release(answer)
    // a claim knows of the suspects among the types that it wants; only one for all types knows that there is none
    if (answer.suspects > 0 || request.alone) suspects = answer.suspects
    if (request.alone && answer.deliveries.length > 0) alone = true
    for (const delivery of answer.deliveries) inHand.begin(delivery)
    if (answer.deliveries.length > 0 || suspects > 0) return poke()
    if (slots.claims() > 0) return
    // empty at once, and no other claim waits: the driver cannot wait itself
    if (!recalled && tookMs < CLAIM_WAIT_MS / 2) setTimeout(poke, PAUSE_MS)
    else poke()
  }

  /** Claimed on the way into the shutdown. */
  function release(answer: Claim): void {
    givingBack++
    const fences = answer.deliveries.map(({ fence }) => fence)
    void giveBack(fences, around).then(() => {
      givingBack--
      tellIdle()
    })
  }

  function isIdle(): boolean {
    return inHand.isEmpty() && slots.claims() === 0 && givingBack === 0
  }

  function tellIdle(): void {
    if (!isIdle()) return
    for (const resolve of idle) resolve()
    idle.clear()
  }

  function onEmpty(): void {
    alone = false
    tellIdle()
    poke()
  }

  function onWake(wake: Wake): void {
    for (const fence of wake.cancelled) inHand.abort(fence, 'cancel')
    for (const fence of wake.lost) inHand.abort(fence, 'lease_lost')
    if (wake.ready && slots.claims() === 0) poke()
  }

  return {
    start() {
      claiming = true
      stopListening = queue.onWake(onWake)
      inHand.startRenewing()
      poke()
    },
    stopClaiming() {
      claiming = false
      if (recounting) clearTimeout(recounting)
      recall()
    },
    abortAll: (reason) => inHand.abortAll(reason),
    inHand: inHand.fences,
    async drained() {
      if (!isIdle()) await new Promise<void>((resolve) => idle.add(resolve))
      inHand.stopRenewing()
      stopListening?.()
    },
  }
}
