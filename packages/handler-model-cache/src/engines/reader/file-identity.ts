import type { BigIntStats } from 'node:fs'

/** Changes when a file is written to or another takes its place. */
export function identityOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs].join(':')
}
