import type { AbortReason } from './plugin.js'
import type { Claim, ClaimRequest, Wake, Want } from './queue.js'
import type { KnownType } from './registry.js'
import { runDelivery, type DeliverySurroundings, type Running } from './run-delivery.js'
import type { Delivery } from './task.js'

/** How long a claim waits in the queue for work before it is asked again. */
const CLAIM_WAIT_MS = 10_000
/** After a fault of the queue, and for drivers that answer empty at once. */
const PAUSE_MS = 200
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
 * Free slots → claim → runDelivery. One claim at a time waits in the queue; whenever slots become free a newer one replaces it. Survives
 * faults of the queue.
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
  let claims = 0
  let claiming = false
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
    if (suspects > 0)
      return inHand.size > 0 || claims > 0 ? null : { wants: wantsWithin(concurrency), max: 1, alone: true }
    const free = concurrency - slotsTaken
    const wants = wantsWithin(free)
    const max = free > 0 ? free : wants.length
    return wants.length === 0 ? null : { wants, max, waitMs: CLAIM_WAIT_MS }
  }

  function wantsWithin(free: number): Want[] {
    const wants: Want[] = []
    for (const known of types.values()) {
      const left = known.concurrency - (busy.get(known.type) ?? 0)
      const ofType = slotless.has(known.type) ? Math.min(1, left) : Math.min(free, left)
      if (ofType > 0) wants.push({ type: known.type, versions: known.versions, free: ofType })
    }
    return wants
  }

  function claim(): void {
    const request = claiming ? nextRequest() : null
    if (!request) return
    claims++
    const askedAt = around.clock.monotonic()
    queue.claim(request).then(
      (answer) => {
        claims--
        pauseMs = PAUSE_MS
        accept(answer, request, around.clock.monotonic() - askedAt)
      },
      (error: unknown) => {
        claims--
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
    suspects = answer.suspects
    if (request.alone && answer.deliveries.length > 0) alone = true
    for (const delivery of answer.deliveries) begin(delivery)
    if (answer.deliveries.length > 0 || suspects > 0) poke()
    // empty at once, and no other claim waits: the driver cannot wait itself
    else if (claims === 0) setTimeout(poke, tookMs < CLAIM_WAIT_MS / 2 ? PAUSE_MS : 0)
  }

  /** Claimed on the way into the shutdown. */
  function giveBack(answer: Claim): void {
    claims++
    const releases = answer.deliveries.map(({ fence }) => queue.settle(fence, { kind: 'release' }))
    void Promise.allSettled(releases).then(() => {
      claims--
      tellIdle()
    })
  }

  function tellIdle(): void {
    if (inHand.size > 0 || claims > 0) return
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
    if (wake.ready && claims === 0) poke()
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
      // an empty claim replaces the one that waits in the queue
      if (claims > 0) queue.claim({ wants: [], max: 0 }).catch(() => {})
    },
    abortAll(reason) {
      for (const running of inHand.values()) running.deadline.abort(reason)
    },
    inHand: () => [...inHand.keys()],
    async drained() {
      if (inHand.size > 0 || claims > 0) await new Promise<void>((resolve) => idle.add(resolve))
      endWhenIdle()
    },
  }
}
