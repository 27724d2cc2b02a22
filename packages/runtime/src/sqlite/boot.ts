import { hash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** Names this start of the machine: monotonic clocks of two boots can't be compared. */
function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // elsewhere than Linux the owners' locks alone tell who died
    return hostname()
  }
}

const BOOT_LENGTH = 12

/** A new owner's name. It begins with the boot's mark, so that leases of another boot are known as such. */
export function newOwnerName(): string {
  return `${bootMark()}-${randomBytes(8).toString('hex')}`
}

export function isOfThisBoot(owner: string): boolean {
  return owner.startsWith(`${bootMark()}-`)
}

function bootMark(): string {
  return hash('sha256', bootId()).slice(0, BOOT_LENGTH)
}
