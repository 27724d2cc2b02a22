import type { Death, ThreadLink } from './thread-link.js'

/** The task threads of a plugin: one task at a time each, made when one is needed, kept for the next. */
export interface ThreadPool {
  /** A thread that runs nothing, perhaps still setting up. It is the caller's until `giveBack`. */
  take(): ThreadLink
  giveBack(link: ThreadLink): void
  /** All that live, at work or not. */
  all(): readonly ThreadLink[]
}

export function createThreadPool(options: {
  readonly start: () => ThreadLink
  /** How long threads beyond one are kept without work, in milliseconds. */
  readonly idleMs: number
  /** Never rejects. */
  readonly end: (link: ThreadLink) => Promise<void>
  /** A thread ended by itself while it had no work. */
  readonly onIdleDeath: (why: string) => void
}): ThreadPool {
  const all = new Set<ThreadLink>()
  /** The last one given back is taken first, so that those not needed any more are left alone. */
  const idle: { readonly link: ThreadLink; readonly timer: NodeJS.Timeout }[] = []
  const forget = (link: ThreadLink, { expected, why }: Death) => {
    all.delete(link)
    if (leaveIdle(link) && !expected) options.onIdleDeath(why)
  }
  const leaveIdle = (link: ThreadLink): boolean => {
    const index = idle.findIndex((entry) => entry.link === link)
    if (index === -1) return false
    for (const { timer } of idle.splice(index, 1)) clearTimeout(timer)
    return true
  }
  const endIfSpare = (link: ThreadLink) => {
    if (idle.length <= 1) return
    leaveIdle(link)
    void options.end(link)
  }
  return {
    all: () => [...all],
    take() {
      const kept = idle.at(-1)
      if (kept !== undefined) {
        leaveIdle(kept.link)
        return kept.link
      }
      const link = options.start()
      all.add(link)
      void link.died.then((death) => forget(link, death))
      return link
    },
    giveBack(link) {
      if (!link.alive()) return
      const timer = setTimeout(() => endIfSpare(link), options.idleMs)
      timer.unref()
      idle.push({ link, timer })
    },
  }
}
