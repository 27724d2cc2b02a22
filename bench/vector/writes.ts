import type { VectorEngine } from './engine.ts'
import { folderMb, maxRssMb, measured, type Usage } from './measure.ts'
import { batchesOf, makeVectors } from './vectors.ts'

export interface WriteOrder {
  readonly kind: 'writes'
  readonly engine: string
  readonly seed: number
  readonly batch: number
  readonly inserts: number
  readonly replaces: number
}

export interface WriteAnswer {
  readonly version: string
  readonly insert: Usage
  readonly replace: Usage
  /** On the disk after the inserts. */
  readonly diskMb: number
  readonly maxRssMb: number
}

/** The first tenth warms the engine and the compiler up and is not counted. */
export async function measureWrites(
  order: WriteOrder,
  engine: VectorEngine,
  folder: string,
): Promise<WriteAnswer> {
  const { batch, inserts, replaces, seed } = order
  const { stored } = makeVectors('isotropic', inserts, 0, seed)
  const others = makeVectors('isotropic', replaces, 0, seed + 1).stored
  const warm = Math.ceil(inserts / 10 / batch) * batch
  await engine.open(folder)
  for (const each of batchesOf(stored, batch, 0, warm)) await engine.insert(each)
  const insert = await measured(async () => {
    for (const each of batchesOf(stored, batch, warm, inserts)) await engine.insert(each)
  })
  const diskMb = folderMb(folder)
  const replace = await measured(async () => {
    for (const each of batchesOf(others, batch, 0, replaces)) await engine.replace(each)
  })
  const count = await engine.count()
  const { version } = engine
  await engine.close()
  if (count !== inserts) throw new Error(`expected ${inserts} vectors in the store, got ${count}`)
  return {
    version,
    insert: perVector(insert, inserts - warm),
    replace: perVector(replace, replaces),
    diskMb,
    maxRssMb: maxRssMb(),
  }
}

/** In microseconds times 1,000: the time of 1,000 vectors in milliseconds. */
function perVector({ ms, cpuMs }: Usage, vectors: number): Usage {
  return { ms: (ms / vectors) * 1000, cpuMs: (cpuMs / vectors) * 1000 }
}
