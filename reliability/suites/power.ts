/**
 * Power cuts: a worker under load is recorded down to its writes and syncs, then the disk is put together as it may be after a cut at any moment, and
 * opened by our store. What had been acknowledged before the cut must be there. Two controls show that the suite can fail: `durability: 'process'`
 * must lose work, a disk that ignores syncs must be found damaged.
 */
import { join } from 'node:path'
import { createArena } from '../arena.ts'
import { createDisk, SURVIVALS, type Survival } from '../disk-image.ts'
import { createLab, type Lab, type Patch } from '../lab.ts'
import { createRandom, seedOf } from '../random.ts'
import { hasEnded, readRecording, recordTo, type Recorded } from '../recording.ts'
import { tryCase, type Case, type Suite } from '../suite.ts'
import { createInspector, type Told } from './power-inspect.ts'
import { started, waitUntil } from './lease.ts'

/** The real distance is 4,000 pages: a checkpoint in seconds of load needs a shorter one. */
const OFTEN: Patch = {
  file: 'sqlite/schema.js',
  find: '["wal_autocheckpoint", "4000", 4e3]',
  replace: '["wal_autocheckpoint", "60", 60]',
}
const IMAGES_PER_RECORDING = 5000
const ACKNOWLEDGED = 400
const SHOWN = 5

export const power: Suite = async ({ seed, size, kills, lab, note }) => {
  const images = kills ?? (size === 'ci' ? 2000 : 100_000)
  const own = labOf(lab)
  const totals: Record<string, Counts> = {}
  const cases: Case[] = []
  const run = async (name: string, trial: () => Promise<readonly string[]>) => {
    const tried = await tryCase(name, trial)
    note(`power, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
    cases.push(tried)
  }
  try {
    const rounds = Math.ceil(images / IMAGES_PER_RECORDING)
    for (let round = 1; round <= rounds; round++) {
      await run(`full durability loses nothing (${round})`, () =>
        tryFull(own, { seed, round, images: Math.ceil(images / rounds), totals }),
      )
    }
    await run('control: durability "process" loses work, and is never damaged', () =>
      tryControls(own, { seed, images: Math.ceil(images / 10), totals }),
    )
  } finally {
    own.dispose()
  }
  return { counts: totals, cases }
}

/** `lost`: images without something that was acknowledged; `damaged`: images that do not open, or whose tables are not whole. */
interface Counts {
  images: number
  lost: number
  damaged: number
  most_lost_tasks: number
  acknowledged: number
  syncs: number
  checkpoints: number
}

interface Trial {
  readonly seed: number
  readonly images: number
  readonly totals: Record<string, Counts>
}

/** One recording with a few images, for the mutants. */
export async function cutOnce(lab: Lab, seed: number): Promise<string[]> {
  const own = labOf(lab)
  try {
    return await tryFull(own, { seed, round: 1, images: 200, totals: {} })
  } finally {
    own.dispose()
  }
}

function labOf(lab: Lab): Lab {
  return createLab({ dist: join(lab.dir, 'runtime/dist'), patches: [OFTEN] })
}

async function tryFull(lab: Lab, trial: Trial & { readonly round: number }): Promise<string[]> {
  const { seed, round, images, totals } = trial
  const recording = await record(lab, 'power', seedOf(seed, `power ${round}`))
  const found = await cutAll(lab, recording, { seed: seedOf(seed, `cuts ${round}`), images, obeys: true })
  add(totals, 'full', found.counts)
  const wrong = found.findings.slice(0, SHOWN)
  if (found.counts.checkpoints < 5)
    wrong.push('fewer than 5 checkpoints were recorded: the harness tested nothing')
  return wrong
}

async function tryControls(lab: Lab, { seed, images, totals }: Trial): Promise<string[]> {
  const recording = await record(lab, 'process', seedOf(seed, 'power process'))
  const normal = await cutAll(lab, recording, { seed: seedOf(seed, 'cuts process'), images, obeys: true })
  const lying = await cutAll(lab, recording, { seed: seedOf(seed, 'cuts lying'), images, obeys: false })
  add(totals, 'process', normal.counts)
  add(totals, 'no_syncs', lying.counts)
  const wrong: string[] = []
  if (normal.counts.lost === 0) wrong.push('durability "process" lost nothing: the harness is broken')
  if (normal.counts.damaged > 0) wrong.push(`durability "process" was damaged: ${normal.findings[0]}`)
  if (lying.counts.damaged === 0)
    wrong.push('a disk that ignores syncs was never damaged: the harness is broken')
  return wrong
}

function add(totals: Record<string, Counts>, name: string, counts: Counts): void {
  const sum = (totals[name] ??= {
    ...counts,
    images: 0,
    lost: 0,
    damaged: 0,
    most_lost_tasks: 0,
    acknowledged: 0,
    syncs: 0,
    checkpoints: 0,
  })
  for (const key of ['images', 'lost', 'damaged', 'acknowledged', 'syncs', 'checkpoints'] as const)
    sum[key] += counts[key]
  sum.most_lost_tasks = Math.max(sum.most_lost_tasks, counts.most_lost_tasks)
}

/** From the creation of the file, through mixed load, to an orderly end. */
async function record(lab: Lab, durability: 'power' | 'process', seed: number): Promise<Recorded[]> {
  const arena = createArena(lab, lab.folder('recorded'), { durability })
  const trace = join(arena.dir, 'trace')
  try {
    const load = { seed, gapMs: 2, mostWaiting: 150 }
    const worker = await started(arena, 'recorded', { load }, {}, recordTo(trace))
    await waitUntil(() => arena.ledger().filter(({ e }) => e === 'ack').length >= ACKNOWLEDGED, 60_000)
    await arena.stop(worker)
    await waitUntil(() => hasEnded(trace, worker.pid))
    const told = [join(arena.dir, 'ledger'), join(arena.dir, 'log')]
    return await readRecording(trace, arena.database, told)
  } finally {
    await arena.dispose()
  }
}

function syncsOf(events: readonly Recorded[]) {
  const of = (name: string) =>
    events.filter((event) => event.did === 'sync-end' && event.file === name).length
  return { syncs: of('queue.db-wal'), checkpoints: of('queue.db') }
}

async function cutAll(
  lab: Lab,
  events: readonly Recorded[],
  { seed, images, obeys }: { readonly seed: number; readonly images: number; readonly obeys: boolean },
) {
  const random = createRandom(seed)
  const cuts = Array.from({ length: images }, () => random.int(1, events.length)).toSorted((a, b) => a - b)
  const inspector = await createInspector(lab)
  const disk = createDisk({ obeys })
  const told: Told = { accepted: new Map(), ended: new Set() }
  const counts: Counts = {
    images,
    lost: 0,
    damaged: 0,
    most_lost_tasks: 0,
    acknowledged: 0,
    ...syncsOf(events),
  }
  const findings: string[] = []
  let at = 0
  try {
    for (const cut of cuts) {
      for (; at < cut; at++) happen(events[at]!, disk, told)
      const survival: Survival = random.pick(SURVIVALS)
      const { lost, damage } = inspector.inspect(disk.cut(survival, random), told)
      if (lost.length > 0) counts.lost++
      if (damage !== null) counts.damaged++
      counts.most_lost_tasks = Math.max(counts.most_lost_tasks, lost.length)
      if (lost.length === 0 && damage === null) continue
      const what = damage ?? `acknowledged, and gone: ${lost.slice(0, 3).join(', ')} (${lost.length})`
      const kept = findings.length < SHOWN ? `; ${inspector.keep()}` : ''
      findings.push(`P1 cut at event ${cut} of ${events.length}, ${survival} survived: ${what}${kept}`)
    }
  } finally {
    inspector.dispose()
  }
  counts.acknowledged = told.accepted.size
  return { counts, findings }
}

function happen(event: Recorded, disk: ReturnType<typeof createDisk>, told: Told): void {
  disk.happen(event)
  if (event.did !== 'tell') return
  const { e, id, sum, event: name, status, task_id: task } = event.line
  if (e === 'ack') told.accepted.set(String(id), String(sum))
  if (name === 'task_processed' && ['success', 'failed', 'cancelled'].includes(String(status)))
    told.ended.add(String(task))
}
