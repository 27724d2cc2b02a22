import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** Names this start of the machine: monotonic clocks of two boots can't be compared. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // elsewhere than Linux the owners' locks alone tell who died
    return hostname()
  }
}
