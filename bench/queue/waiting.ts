import { inChild, withFolder } from './in-child.ts'
import { round } from './machine.ts'
import { table, thousands } from './table.ts'

export interface WaitingOptions {
  readonly levels: readonly number[]
  /** Tasks that go through while the others wait. */
  readonly tasks: number
  readonly seed: number
  readonly say: (line: string) => void
}

export interface WaitingResult {
  readonly waiting: number
  readonly fillPerSecond: number
  readonly perSecond: number
  readonly rssMb: number
  readonly maxRssMb: number
}

/** Ours only: filled by one process, drained by a fresh one, in which as many are submitted as are settled. */
export async function measureWaiting(options: WaitingOptions): Promise<WaitingResult[]> {
  const results: WaitingResult[] = []
  for (const waiting of options.levels) {
    const result = await withFolder(async (folder) => {
      const order = {
        engine: 'mcp-worker',
        url: '',
        folder,
        seed: options.seed,
        waiting,
        tasks: options.tasks,
      }
      const filled = await inChild({ ...order, mode: 'fill' }).answer
      const drained = await inChild({ ...order, mode: 'backlog' }).answer
      return {
        waiting,
        fillPerSecond: Math.round((waiting / filled.ms) * 1000),
        perSecond: Math.round((options.tasks / drained.ms) * 1000),
        rssMb: round(drained.rssMb ?? Number.NaN, 0),
        maxRssMb: Math.round(drained.maxRssMb),
      }
    })
    options.say(`${thousands(waiting)} waiting: ${thousands(result.perSecond)}/s`)
    results.push(result)
  }
  return results
}

export function printWaiting(results: readonly WaitingResult[]): string {
  const base = results[0]?.perSecond ?? Number.NaN
  const rows = results.map((each) => [
    thousands(each.waiting),
    thousands(each.perSecond),
    `${Math.round((each.perSecond / base) * 100)} %`,
    `${each.rssMb}`,
    `${each.maxRssMb}`,
    thousands(each.fillPerSecond),
  ])
  return table(['waiting', 'tasks/s', 'of the first', 'RSS MiB', 'RSS most', 'submits/s by 1,000'], rows)
}
