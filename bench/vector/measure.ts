import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** What some work took of this process, all its threads included. */
export interface Usage {
  readonly ms: number
  readonly cpuMs: number
}

export async function measured(work: () => Promise<unknown>): Promise<Usage> {
  const before = process.cpuUsage()
  const from = performance.now()
  await work()
  const ms = performance.now() - from
  const { user, system } = process.cpuUsage(before)
  return { ms, cpuMs: (user + system) / 1000 }
}

export function maxRssMb(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024)
}

export function folderMb(folder: string): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
  return bytes / 2 ** 20
}
