/** One measurement in a process of its own. Started by in-child.ts; the answer goes over IPC. */
import { ENTRIES } from './catalogue.ts'
import type { VectorEngine } from './engine.ts'
import type { Order } from './in-child.ts'

async function load(name: string): Promise<VectorEngine> {
  const entry = ENTRIES.find((each) => each.name === name)
  if (entry === undefined) throw new Error(`expected an engine of the catalogue, got ${name}`)
  return entry.load()
}

async function measure(order: Order, folder: string): Promise<object> {
  switch (order.kind) {
    case 'writes':
      return (await import('./writes.ts')).measureWrites(order, await load(order.engine), folder)
    case 'searches':
      return (await import('./searches.ts')).measureSearches(order, await load(order.engine), folder)
    case 'embedders':
      return (await import('./embedders.ts')).measureEmbedder(order)
    case 'task':
      return (await import('./task.ts')).measureTask(order, folder)
  }
}

const [, , order = '{}', folder = ''] = process.argv
const answer = await measure(JSON.parse(order) as Order, folder)
process.send?.(answer, () => process.disconnect())
