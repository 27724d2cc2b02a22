/** The port's `onGone`: tells each listener once, asynchronously, also those that come later; never after `settle`. */
export interface GoneSignal {
  readonly reason: () => Error | null
  onGone(listener: (reason: Error) => void): void
  /** The first reason counts. Nothing after `settle`. */
  lose(reason: Error): void
  /** The model was unloaded: nobody is told any more. */
  settle(): void
}

export function createGoneSignal(): GoneSignal {
  const listeners: ((reason: Error) => void)[] = []
  let reason: Error | null = null
  let settled = false

  function tell(listener: (reason: Error) => void): void {
    queueMicrotask(() => {
      if (reason && !settled) listener(reason)
    })
  }
  return {
    reason: () => reason,
    onGone(listener) {
      listeners.push(listener)
      if (reason) tell(listener)
    },
    lose(error) {
      if (reason || settled) return
      reason = error
      for (const listener of listeners) tell(listener)
    },
    settle() {
      settled = true
    },
  }
}
