import { ENTRIES, type Entry } from './catalogue.ts'
import { type Answer, inChild, withFolder } from './in-child.ts'
import { percentile, round } from './machine.ts'
import { table } from './table.ts'

export interface PickupOptions {
  readonly samples: number
  readonly seed: number
  readonly engines: readonly string[]
  readonly say: (line: string) => void
}

interface Spread {
  readonly p50: number
  readonly p99: number
}

/** Milliseconds to the first line of the handler, on an idle worker. */
export interface PickupResult {
  readonly name: string
  readonly from: 'same process' | 'other process'
  /** Since submit was called. */
  readonly sinceSubmit: Spread | null
  /** Since the submitter heard of the acceptance; negative where the handler was faster. */
  readonly sinceAccepted: Spread | null
  readonly failure: string | null
}

/** Without a choice of engines: all of them. */
export async function measurePickup(options: PickupOptions): Promise<PickupResult[]> {
  const results: PickupResult[] = []
  for (const entry of ENTRIES) {
    if (options.engines.length > 0 && !options.engines.includes(entry.name)) continue
    for (const from of ['same process', 'other process'] as const) {
      const result = await measureOnce(entry, from, options)
      options.say(`${entry.name}, ${from}: p50 ${result.sinceSubmit?.p50 ?? result.failure}`)
      results.push(result)
    }
  }
  return results
}

async function measureOnce(
  entry: Entry,
  from: PickupResult['from'],
  options: PickupOptions,
): Promise<PickupResult> {
  const server = (await entry.server?.()) ?? null
  try {
    const [submitted, worked] = await withFolder((folder) => {
      const order = {
        mode: 'pickup',
        engine: entry.name,
        tasks: options.samples,
        seed: options.seed,
      } as const
      const place = { ...order, url: server?.url ?? '', folder }
      return from === 'same process' ? together(place) : apart(place)
    })
    const since = (times: readonly number[] = []) =>
      spread((worked.handled ?? []).map((handled, index) => handled - (times[index] ?? Number.NaN)))
    const { called, accepted } = submitted
    return {
      name: entry.name,
      from,
      sinceSubmit: since(called),
      sinceAccepted: since(accepted),
      failure: null,
    }
  } catch (error) {
    return {
      name: entry.name,
      from,
      sinceSubmit: null,
      sinceAccepted: null,
      failure: (error as Error).message,
    }
  } finally {
    await server?.stop()
  }
}

type Place = Parameters<typeof inChild>[0]

async function together(place: Place): Promise<[Answer, Answer]> {
  const both = await inChild(place).answer
  return [both, both]
}

async function apart(place: Place): Promise<[Answer, Answer]> {
  const worker = inChild({ ...place, role: 'work' })
  await worker.ready
  return Promise.all([inChild({ ...place, role: 'submit' }).answer, worker.answer])
}

/** The first tenth warms the engine up and is left out. */
function spread(times: readonly number[]): Spread {
  const warm = times.slice(Math.floor(times.length / 10))
  return { p50: round(percentile(warm, 0.5), 2), p99: round(percentile(warm, 0.99), 2) }
}

function cells(times: Spread | null): string[] {
  return times ? [`${times.p50}`, `${times.p99}`] : ['–', '–']
}

export function printPickup(results: readonly PickupResult[]): string {
  const rows = results.map((each) => [
    `${each.name}, ${each.from}`,
    ...cells(each.sinceSubmit),
    ...cells(each.sinceAccepted),
  ])
  const head = ['handler starts after, ms', 'submit p50', 'p99', 'acceptance p50', 'p99']
  const failures = results.flatMap((each) =>
    each.failure ? [`${each.name}, ${each.from}: ${each.failure}`] : [],
  )
  return [table(head, rows), ...failures].join('\n')
}
