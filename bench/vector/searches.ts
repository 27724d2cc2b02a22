import { percentile } from '../queue/machine.ts'
import type { VectorEngine } from './engine.ts'
import { maxRssMb, measured } from './measure.ts'
import { batchesOf, dot, idOf, makeVectors, rowOf, type Shape } from './vectors.ts'

export interface SearchOrder {
  readonly kind: 'searches'
  readonly engine: string
  readonly seed: number
  readonly shape: Shape
  readonly vectors: number
  readonly questions: number
  /** Compares the answers with the true neighbours. */
  readonly recall: boolean
}

export interface SearchAnswer {
  readonly version: string
  /** The first search after the last write, which may read everything. */
  readonly firstMs: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuMsPerSearch: number
  /** null: not asked for. */
  readonly recallAt10: number | null
  readonly maxRssMb: number
}

const k = 10
const insertBatch = 1000

export async function measureSearches(
  order: SearchOrder,
  engine: VectorEngine,
  folder: string,
): Promise<SearchAnswer> {
  const { search } = engine
  if (search === undefined) throw new Error(`expected an engine that searches, got ${order.engine}`)
  const { stored, questions } = makeVectors(order.shape, order.vectors, order.questions + 1, order.seed)
  await engine.open(folder)
  for (const batch of batchesOf(stored, insertBatch, 0, order.vectors)) await engine.insert(batch)
  await engine.buildIndex?.()
  const [first, ...others] = questions
  const { ms: firstMs } = await measured(() => search(first!, k))
  const times: number[] = []
  const answers: (readonly string[])[] = []
  const { cpuMs } = await measured(async () => {
    for (const question of others) {
      const from = performance.now()
      answers.push(await search(question, k))
      times.push(performance.now() - from)
    }
  })
  const { version } = engine
  await engine.close()
  return {
    version,
    firstMs,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    cpuMsPerSearch: cpuMs / others.length,
    recallAt10: order.recall ? recall(stored, others, answers) : null,
    maxRssMb: maxRssMb(),
  }
}

/** The share of the true ten nearest that was found. */
function recall(
  stored: Float32Array,
  questions: readonly Float32Array[],
  answers: readonly (readonly string[])[],
): number {
  const shares = questions.map((question, i) => {
    const truth = nearest(stored, question)
    return (answers[i] ?? []).filter((id) => truth.has(id)).length / k
  })
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}

function nearest(stored: Float32Array, question: Float32Array): ReadonlySet<string> {
  const rows = stored.length / question.length
  const scores = Array.from({ length: rows }, (_, row) => ({ row, score: dot(rowOf(stored, row), question) }))
  return new Set(
    scores
      .toSorted((a, b) => b.score - a.score)
      .slice(0, k)
      .map(({ row }) => idOf(row)),
  )
}
