import { decideReap } from '../decide.js'
import type { Recovered } from '../queue.js'
import { asArray, fenceText, prepareArrays, type StoreBase } from './base.js'
import { isOfThisBoot } from './boot.js'
import { forgetOwner, isOwnerAlive } from './owners.js'
import type { createSettle } from './settle.js'

/** A task in hand of somebody who will not settle it any more. */
interface Orphan {
  readonly fence: string
  readonly chargedCrashes: number
  readonly cancelRequested: boolean
}

/** Giving back what dead owners had in hand: at once when their lock is free, else when the lease has ended. */
export function createReap(
  base: StoreBase,
  settle: ReturnType<typeof createSettle>,
  ownersDirectory: string,
) {
  const { db, clock, owner, limits } = base
  const owners = prepareArrays(
    db,
    `SELECT DISTINCT owner FROM tasks INDEXED BY tasks_running WHERE status = 'running' AND owner <> ?`,
  )
  const columns = `SELECT seq, deliveries, crashes - base_crashes, cancel_requested FROM tasks INDEXED BY tasks_running
    WHERE status = 'running' AND owner = ?`
  const inHandOf = prepareArrays(db, columns)
  const endedOf = prepareArrays(db, `${columns} AND lease_until < ?`)
  const ended = prepareArrays(
    db,
    `SELECT DISTINCT owner FROM tasks INDEXED BY tasks_running WHERE status = 'running' AND lease_until < ?`,
  )

  function settleOrphans(orphans: readonly Orphan[], machineRestarted: boolean): void {
    const aloneInOwner = orphans.length === 1
    const rows = orphans.map((orphan) => ({ ...orphan, maxCrashes: limits.maxCrashes }))
    for (const [index, { settlement, suspect }] of decideReap({
      rows,
      aloneInOwner,
      machineRestarted,
    }).entries()) {
      settle(rows[index]!.fence, settlement, suspect)
    }
  }

  /** Owners (others than this one) that have tasks in hand and whose process is gone. Reads only. */
  function deadOwners(): string[] {
    return owners
      .all(owner)
      .map((row) => String(asArray(row)[0]))
      .filter((other) => !isOwnerAlive(ownersDirectory, other))
  }

  /** Owners with a lease that ended. Reads only. */
  function lateOwners(): string[] {
    return ended
      .all(clock.monotonic())
      .map((row) => String(asArray(row)[0]))
      .filter(isOfThisBoot)
  }

  return {
    deadOwners,
    lateOwners,
    /** Inside a transaction: the fences are looked up again there. */
    reapDead(dead: string): Recovered {
      const orphans = inHandOf.all(dead).map(orphanOf)
      const restarted = !isOfThisBoot(dead)
      settleOrphans(orphans, restarted)
      forgetOwner(ownersDirectory, dead)
      return { owner: dead, why: restarted ? 'machine_restarted' : 'owner_died', tasks: orphans.length }
    },
    reapLate(late: string): Recovered {
      const orphans = endedOf.all(late, clock.monotonic()).map(orphanOf)
      // the owner lives: it was suspended, or its machine was; no task is to blame, and its late results will be refused
      for (const { fence } of orphans) settle(fence, { kind: 'release' })
      return { owner: late, why: 'lease_ended', tasks: orphans.length }
    },
  }
}

function orphanOf(row: unknown): Orphan {
  const [seq, delivery, chargedCrashes, cancelRequested] = asArray(row) as [number, number, number, number]
  return { fence: fenceText({ seq, delivery }), chargedCrashes, cancelRequested: cancelRequested === 1 }
}
