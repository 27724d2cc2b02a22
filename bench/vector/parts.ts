import type { Run } from '../docs/markdown.ts'
import { median, round } from '../queue/machine.ts'
import { createRandom, shuffled } from '../queue/random.ts'
import { ENTRIES, OURS } from './catalogue.ts'
import { EMBEDDERS, type EmbedderAnswer } from './embedders.ts'
import type { Entry } from './engine.ts'
import { inChild, type Kind, type Measurements } from './in-child.ts'
import type { SearchAnswer, SearchOrder } from './searches.ts'
import type { TaskAnswer, TaskOrder } from './task.ts'
import { DIMENSION } from './vectors.ts'
import type { WriteOrder } from './writes.ts'

export interface Setup {
  readonly quick: boolean
  readonly rounds: number
  readonly seed: number
  readonly engines: readonly string[]
  readonly profileTo: string | null
  readonly say: (line: string) => void
}

type Setting = Pick<Entry, 'name' | 'durability' | 'settings'> & { readonly version: string }

/** The median over the rounds of one engine at one batch size; rates are vectors per second of CPU time or of the clock. */
export interface WriteResult extends Setting {
  readonly batch: number
  readonly inserts: number
  readonly insertsPerCpuSecond: number
  readonly insertRates: readonly number[]
  readonly insertsPerSecond: number
  readonly replacesPerCpuSecond: number
  readonly diskMb: number
  readonly maxRssMb: number
}

export type SearchResult = Setting & SearchAnswer & Pick<SearchOrder, 'shape' | 'vectors' | 'questions'>
export type EmbedderResult = Pick<Setting, 'name' | 'settings'> & EmbedderAnswer
export type TaskResult = TaskAnswer & Pick<TaskOrder, 'content' | 'documents' | 'dimension'>

export interface Parts {
  readonly writes: Run<readonly WriteResult[]>
  readonly searches: Run<readonly SearchResult[]>
  readonly recall: Run<readonly SearchResult[]>
  readonly embedders: Run<readonly EmbedderResult[]>
  readonly task: Run<readonly TaskResult[]>
}

export const PARTS: { readonly [P in keyof Parts]: (setup: Setup) => Promise<Parts[P]['results']> } = {
  writes,
  searches,
  recall,
  embedders,
  task,
}

const answer = <K extends Kind>(order: Measurements[K]['order'], { profileTo }: Setup) =>
  inChild<K>(order, profileTo)

const settingOf = ({ name, durability, settings }: Entry) => ({ name, durability, settings })

function chosen({ engines }: Setup, wanted: (entry: Entry) => boolean): readonly Entry[] {
  return ENTRIES.filter((entry) => wanted(entry) && (engines.length === 0 || engines.includes(entry.name)))
}

/** Every round takes each engine and batch size once, in an order shuffled by the seed. */
async function writes(setup: Setup): Promise<WriteResult[]> {
  const sizes = [
    { batch: 10, inserts: setup.quick ? 2000 : 5000 },
    { batch: 100, inserts: setup.quick ? 20_000 : 50_000 },
    { batch: 1000, inserts: setup.quick ? 20_000 : 50_000 },
  ]
  const cases = chosen(setup, ({ search }) => search !== 'approximate').flatMap((entry) =>
    sizes.map((size) => ({ entry, ...size, answers: [] as Measurements['writes']['answer'][] })),
  )
  const random = createRandom(setup.seed)
  for (let number = 1; number <= setup.rounds; number++) {
    for (const each of shuffled(cases, random)) {
      const { entry, batch, inserts } = each
      const replaces = Math.min(inserts / 2, 5000)
      const order: WriteOrder = {
        kind: 'writes',
        engine: entry.name,
        seed: setup.seed,
        batch,
        inserts,
        replaces,
      }
      const one = await answer<'writes'>(order, setup)
      each.answers.push(one)
      const rate = `${rateOf(one.insert.cpuMs)} inserted, ${rateOf(one.replace.cpuMs)} replaced per CPU second`
      setup.say(`round ${number} of ${setup.rounds}  ${entry.name}, batches of ${batch}: ${rate}`)
    }
  }
  return cases.map(({ entry, batch, inserts, answers }) => ({
    ...settingOf(entry),
    version: answers[0]?.version ?? '',
    batch,
    inserts,
    insertsPerCpuSecond: median(answers.map(({ insert }) => rateOf(insert.cpuMs))),
    insertRates: answers.map(({ insert }) => rateOf(insert.cpuMs)),
    insertsPerSecond: median(answers.map(({ insert }) => rateOf(insert.ms))),
    replacesPerCpuSecond: median(answers.map(({ replace }) => rateOf(replace.cpuMs))),
    diskMb: round(median(answers.map(({ diskMb }) => diskMb)), 1),
    maxRssMb: Math.max(...answers.map(({ maxRssMb }) => maxRssMb)),
  }))
}

/** From the milliseconds of 1,000. */
function rateOf(msPerThousand: number): number {
  return Math.round(1_000_000 / msPerThousand)
}

async function searches(setup: Setup): Promise<SearchResult[]> {
  const levels = [10_000, 50_000, 250_000]
  const results: SearchResult[] = []
  for (const entry of chosen(setup, ({ search }) => search === 'exact')) {
    for (const vectors of levels) {
      // a quarter of a million rows take a vec0 table a minute
      if (setup.quick && vectors > 50_000 && entry.name !== OURS) continue
      const questions = setup.quick ? 100 : 300
      const order = { shape: 'clustered', vectors, questions, recall: false } as const
      results.push(await searchOnce(entry, order, setup))
    }
  }
  return results
}

async function recall(setup: Setup): Promise<SearchResult[]> {
  const results: SearchResult[] = []
  for (const entry of chosen(setup, ({ search }) => search !== 'none')) {
    for (const shape of ['clustered', 'isotropic'] as const) {
      const order = { shape, vectors: 20_000, questions: 100, recall: true }
      results.push(await searchOnce(entry, order, setup))
    }
  }
  return results
}

async function searchOnce(
  entry: Entry,
  what: Pick<SearchOrder, 'shape' | 'vectors' | 'questions' | 'recall'>,
  setup: Setup,
): Promise<SearchResult> {
  const { shape, vectors, questions } = what
  const seen = await answer<'searches'>(
    { kind: 'searches', engine: entry.name, seed: setup.seed, ...what },
    setup,
  )
  const found = seen.recallAt10 === null ? '' : `, recall@10 ${seen.recallAt10.toFixed(3)}`
  setup.say(
    `${entry.name}, ${vectors} ${shape}: p50 ${seen.p50Ms.toFixed(2)} ms, p99 ${seen.p99Ms.toFixed(2)} ms${found}`,
  )
  return {
    ...settingOf(entry),
    shape,
    vectors,
    questions,
    ...seen,
    firstMs: round(seen.firstMs, 2),
    p50Ms: round(seen.p50Ms, 2),
    p99Ms: round(seen.p99Ms, 2),
    cpuMsPerSearch: round(seen.cpuMsPerSearch, 2),
  }
}

async function embedders(setup: Setup): Promise<EmbedderResult[]> {
  const results: EmbedderResult[] = []
  for (const [name, { settings, slow }] of Object.entries(EMBEDDERS)) {
    const documents = slow ? 50 : 4000
    const seen = await answer<'embedders'>({ kind: 'embedders', engine: name, documents }, setup)
    setup.say(
      `${name}: ${seen.documentsPerCpuSecond.toFixed(0)} documents per CPU second, titles MRR@10 ${seen.titles.mrr10.toFixed(3)}`,
    )
    results.push({ name, settings, ...seen })
  }
  return results
}

async function task(setup: Setup): Promise<TaskResult[]> {
  const small = setup.quick ? 5000 : 10_000
  const cases = [
    { content: 'texts', documents: small, dimension: DIMENSION },
    { content: 'vectors', documents: small, dimension: DIMENSION },
    { content: 'vectors', documents: small * 4, dimension: DIMENSION },
    // a third of the text to read: what is left is the work per document
    { content: 'vectors', documents: small * 4, dimension: 128 },
  ] as const
  const results: TaskResult[] = []
  for (const { content, documents, dimension } of cases) {
    const order: TaskOrder = { kind: 'task', engine: OURS, content, documents, dimension, seed: setup.seed }
    const seen = await answer<'task'>(order, setup)
    setup.say(
      `a task of ${documents} ${content} (${dimension}): ${seen.documentsPerCpuSecond.toFixed(0)} per CPU second, ${seen.maxRssMb} MiB`,
    )
    results.push({ content, documents, dimension, ...seen })
  }
  return results
}
