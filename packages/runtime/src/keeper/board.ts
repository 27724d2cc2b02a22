/**
 * The board: what the main thread is doing, written by it, readable by the keeper even while the main thread is blocked.
 *
 * Layout of the shared memory:
 * ```
 * Int32     [0] beats of the main loop   [1] number of slots
 * per slot  Float64 deadline (monotonic ms)   Float64 touched (monotonic ms)   Int32 state   Int32 fence length   fence (latin1)
 * ```
 * Only the main thread writes; `state` is stored last on entering and first on leaving, so a reader never sees half a slot.
 */
const HEAD_BYTES = 16
const FENCE_BYTES = 104
const SLOT_BYTES = 8 + 8 + 4 + 4 + FENCE_BYTES

const FREE = 0
const INLINE = 1
const HOSTED = 2

/** A delivery in hand, as the keeper sees it. */
export interface BoardEntry {
  readonly fence: string
  /** Whether its code runs in the main thread, where it can block everything. */
  readonly inline: boolean
  /** When its time limit strikes, in monotonic milliseconds. */
  readonly deadline: number
  /** When its code was last seen to act, in monotonic milliseconds. Of several inline deliveries in a blocked loop, the last to act is blamed. */
  readonly touched: number
}

export interface Board {
  readonly memory: SharedArrayBuffer
  beat(): void
  beats(): number
  /** Answers the slot, or -1 when all are taken (the caller has capped its concurrency below it). */
  enter(entry: { fence: string; inline: boolean; deadline: number; now: number }): number
  touch(slot: number, now: number): void
  leave(slot: number): void
  entries(): BoardEntry[]
}

export function boardOf(memory: SharedArrayBuffer): Board {
  const head = new Int32Array(memory, 0, 2)
  const slots = (memory.byteLength - HEAD_BYTES) / SLOT_BYTES
  const view = new DataView(memory)
  const bytes = Buffer.from(memory)
  const states = Array.from(
    { length: slots },
    (_, slot) => new Int32Array(memory, HEAD_BYTES + slot * SLOT_BYTES + 16, 1),
  )
  const free = Array.from({ length: slots }, (_, slot) => slots - 1 - slot)
  const at = (slot: number) => HEAD_BYTES + slot * SLOT_BYTES

  return {
    memory,
    beat: () => void Atomics.add(head, 0, 1),
    beats: () => Atomics.load(head, 0),
    enter({ fence, inline, deadline, now }) {
      const slot = free.pop()
      if (slot === undefined) return -1
      view.setFloat64(at(slot), deadline)
      view.setFloat64(at(slot) + 8, now)
      view.setInt32(at(slot) + 20, bytes.write(fence, at(slot) + 24, FENCE_BYTES, 'latin1'))
      Atomics.store(states[slot]!, 0, inline ? INLINE : HOSTED)
      return slot
    },
    touch(slot, now) {
      if (slot >= 0) view.setFloat64(at(slot) + 8, now)
    },
    leave(slot) {
      if (slot < 0) return
      Atomics.store(states[slot]!, 0, FREE)
      free.push(slot)
    },
    entries() {
      const found: BoardEntry[] = []
      for (let slot = 0; slot < slots; slot++) {
        const state = Atomics.load(states[slot]!, 0)
        if (state === FREE) continue
        const start = at(slot) + 24
        found.push({
          fence: bytes.toString('latin1', start, start + view.getInt32(at(slot) + 20)),
          inline: state === INLINE,
          deadline: view.getFloat64(at(slot)),
          touched: view.getFloat64(at(slot) + 8),
        })
      }
      return found
    },
  }
}

export function createBoard(slots: number): Board {
  return boardOf(new SharedArrayBuffer(HEAD_BYTES + slots * SLOT_BYTES))
}
