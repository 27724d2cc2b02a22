import { connect, Index, type Connection, type Table } from '@lancedb/lancedb'
import {
  Field,
  FixedSizeList,
  Float32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table as ArrowTable,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { versionOf } from '../queue/version.ts'
import type { Batch, VectorEngine } from './engine.ts'
import { DIMENSION } from './vectors.ts'

const list = new FixedSizeList(DIMENSION, new Field('item', new Float32(), true))
const schema = new Schema([new Field('id', new Utf8(), false), new Field('vector', list, false)])

export interface LanceSettings {
  /** `add` appends and looks at no id; `mergeInsert` is the upsert. */
  readonly insert: 'add' | 'mergeInsert'
  readonly index: 'none' | 'hnsw' | 'ivf-pq'
  /** So many times more candidates are fetched, and compared by their whole vectors. */
  readonly refine: number | null
}

export function lanceEngine({ insert, index, refine }: LanceSettings): VectorEngine {
  let connection: Connection
  let table: Table
  const merge = async (batch: Batch) => {
    await table.mergeInsert('id').whenMatchedUpdateAll().whenNotMatchedInsertAll().execute(arrowOf(batch))
  }
  const engine: VectorEngine = {
    version: versionOf('@lancedb/lancedb'),
    async open(folder) {
      connection = await connect(folder)
      table = await connection.createEmptyTable('vectors', schema)
    },
    insert: insert === 'add' ? async (batch) => void (await table.add(arrowOf(batch))) : merge,
    replace: merge,
    async search(vector, k) {
      const question = table.vectorSearch(vector).distanceType('cosine').select(['id', '_distance']).limit(k)
      const found = refine === null ? question : question.refineFactor(refine)
      const rows = (await found.toArray()) as { readonly id: string }[]
      return rows.map(({ id }) => id)
    },
    count: () => table.countRows(),
    async close() {
      table.close()
      connection.close()
    },
  }
  if (index === 'none') return engine
  return { ...engine, buildIndex: () => buildIndex(table, index) }
}

async function buildIndex(table: Table, index: 'hnsw' | 'ivf-pq'): Promise<void> {
  const distanceType = 'cosine'
  const config = index === 'hnsw' ? Index.hnswSq({ distanceType }) : Index.ivfPq({ distanceType })
  await table.createIndex('vector', { config })
}

/** Columns as they are in memory: no row objects, no copies. */
function arrowOf({ ids, vectors }: Batch): ArrowTable {
  const child = makeData({ type: new Float32(), length: vectors.length, data: vectors })
  const columns = [
    vectorFromArray([...ids], new Utf8()).data[0]!,
    makeData({ type: list, length: ids.length, nullCount: 0, child }),
  ]
  const rows = makeData({
    type: new Struct(schema.fields),
    length: ids.length,
    nullCount: 0,
    children: columns,
  })
  return new ArrowTable(schema, [new RecordBatch(schema, rows)])
}
