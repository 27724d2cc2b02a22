import { readFileSync } from 'node:fs'

/** How many processes of this control group the kernel has killed for their memory; 0 where that is not told (no Linux, no cgroup v2). */
export function countOomKills(): number {
  try {
    const [, path] = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8')) ?? []
    const events = readFileSync(`/sys/fs/cgroup${path ?? ''}/memory.events`, 'utf8')
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1] ?? 0)
  } catch {
    return 0
  }
}
