/** What an accepted task survives: a power cut, a killed process (of the engine's server, where it has one), or neither. */
export type Durability = 'power' | 'process' | 'none'

/** A queue that can be measured: single submits, and one handler that does nothing. */
export interface Engine {
  readonly version: string
  /** Prepares the store and, unless it only submits, starts a worker of `CONCURRENCY`. */
  start(use: EngineUse): Promise<void>
  /** Resolves when the engine accepted the task. */
  submit(index: number): Promise<void>
  /** Resolves when `count` tasks since the start are settled in the store, not merely handled. */
  settled(count: number): Promise<void>
  /** Transactions of its store since the start, where it counts them. */
  transactions?(): Promise<Transactions>
  stop(): Promise<void>
}

export interface Transactions {
  readonly count: number
  /** All together, fsyncs included. */
  readonly ms: number
}

export interface EngineUse {
  readonly role: 'both' | 'submit' | 'work'
  /** What the settings are for, where an engine cannot have both. */
  readonly tuneFor: 'rate' | 'latency'
  /** Of the engine's server; empty where it needs none. */
  readonly url: string
  /** A folder for the engine's files. Processes that share a queue are given the same one. */
  readonly folder: string
  /** Called in the first line of the handler. */
  readonly handled: (index: number) => void
}

/** Deliveries at once in the worker, and submitters at once before it. */
export const CONCURRENCY = 64

export interface Payload {
  readonly index: number
  readonly note: string
}

/** About 120 bytes of JSON, the same for all engines. */
export function payloadOf(index: number): Payload {
  return { index, note: 'index the documents of the folder, then write the summary that was asked for' }
}

/** Counts settled tasks and tells who waits for a number of them. */
export function createTally(): { settle(by?: number): void; settled(count: number): Promise<void> } {
  let total = 0
  let goal = Infinity
  let reached: (() => void) | null = null
  return {
    settle(by = 1) {
      total += by
      if (total >= goal) reached?.()
    },
    settled(count) {
      return new Promise((resolve) => {
        goal = count
        reached = resolve
        if (total >= goal) resolve()
      })
    },
  }
}

/** Asks until the answer is yes. For engines that say nothing when a task is settled. */
export async function until(ask: () => Promise<boolean>, everyMs: number): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, everyMs))
}
