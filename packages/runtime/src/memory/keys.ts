import { hash } from 'node:crypto'
import { canonicalJson } from '../json.js'
import type { NewTask } from '../task.js'

/** What a submit with an idempotency key left behind. It outlives its task: pruning does not forget it, only time does. */
export interface KeyEntry {
  readonly id: string
  readonly createdAt: number
  /** Equal for submits that are the same. */
  readonly sameness: string
  /** Wall time. */
  readonly forgetAt: number
}

export function createKeys() {
  // in the order of insertion, which is near enough the order of forgetting
  const entries = new Map<string, KeyEntry>()

  function forgetOld(now: number): void {
    for (const [name, { forgetAt }] of entries) {
      if (forgetAt > now) return
      entries.delete(name)
    }
  }

  return {
    find(task: NewTask, now: number): KeyEntry | null {
      const entry = entries.get(nameOf(task))
      return entry && entry.forgetAt > now ? entry : null
    },
    keep(task: NewTask, now: number, ttlMs: number): void {
      forgetOld(now)
      const name = nameOf(task)
      entries.delete(name)
      entries.set(name, { id: task.id, createdAt: now, sameness: sameness(task), forgetAt: now + ttlMs })
    },
    /** Its submit was refused after all. */
    drop: (task: NewTask): void => void entries.delete(nameOf(task)),
  }
}

/** A key means something within its scope and type only. */
function nameOf({ type, idempotency }: NewTask): string {
  return JSON.stringify([idempotency?.scope, type, idempotency?.key])
}

/** What two submits must share to be the same: the payload's value, not its spelling, and its version. */
export function sameness(task: { readonly version: number; readonly payload: string }): string {
  return hash('sha256', `${task.version}\n${canonicalJson(task.payload)}`, 'base64url')
}
