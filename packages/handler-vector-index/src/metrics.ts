import type { PluginMetrics } from '@mcp-worker/runtime'
import type { EmbedderSource } from './shared-embedder.js'

type Outcome = 'inserted' | 'updated' | 'unchanged' | 'deleted' | 'failed'

/** The instruments of this package, exposed as `mcp_worker_vector_index_…`. */
export interface VectorIndexMetrics {
  readonly documents: { inc(labels: Readonly<Record<'outcome', Outcome>>, by?: number): void }
  readonly embedderUses: { inc(labels: Readonly<Record<'source', EmbedderSource>>): void }
  timeEmbed<T>(work: () => Promise<T>): Promise<T>
  timeWrite<T>(work: () => Promise<T>): Promise<T>
  timeSearch<T>(work: () => Promise<T>): Promise<T>
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

export function createVectorIndexMetrics(metrics: PluginMetrics): VectorIndexMetrics {
  const documents = metrics.counter({
    name: 'documents_total',
    help: 'Documents by what became of them: inserted, updated, unchanged, deleted, failed',
    labels: ['outcome'],
  })
  const embedderUses = metrics.counter({
    name: 'embedder_uses_total',
    help: 'Tasks and searches by their embedder: warm in the model cache, loaded there for them, own',
    labels: ['source'],
  })
  const timer = (name: string, help: string) => {
    const histogram = metrics.histogram({ name, help, buckets: SECONDS })
    return async <T>(work: () => Promise<T>): Promise<T> => {
      const start = performance.now()
      try {
        return await work()
      } finally {
        histogram.observe((performance.now() - start) / 1000)
      }
    }
  }
  return {
    embedderUses: { inc: ({ source }) => embedderUses.inc({ source }) },
    documents: { inc: ({ outcome }, by) => documents.inc({ outcome }, by) },
    timeEmbed: timer('embed_seconds', 'Seconds per call of the embedder'),
    timeWrite: timer(
      'write_seconds',
      'Seconds per transaction that writes or deletes, waiting for other writers included',
    ),
    timeSearch: timer('search_seconds', 'Seconds per search, embedding the question included'),
  }
}
