/** What an embedder's quality is measured on, and how: for scripts/quality.ts, the tests, and bench/vector beside other embedders. */
import { readFileSync } from 'node:fs'

/** The built-in engine's constants were chosen on every third query; what counts is the others, which nothing was ever chosen on. */
export const splits = {
  heldOut: (index: number) => index % 3 !== 0,
  chosenOn: (index: number) => index % 3 === 0,
}

/** What is embedded of a page: about one chunk. */
export const documentCharacters = 600

/** Queries, documents, and which document answers which query. */
export interface QualitySet {
  readonly queries: readonly string[]
  readonly documents: readonly string[]
  readonly isRight: (query: number, document: number) => boolean
}

export interface Ranking {
  readonly top1: number
  readonly mrr10: number
  readonly queries: number
}

type Embed = (texts: readonly string[]) => Promise<readonly Float32Array[]>

interface Paraphrase {
  readonly document: string
  readonly paraphrase: string
  readonly question: string
}

/** The hand-written pairs of test/paraphrases.json. */
export function paraphraseSet(kind: 'paraphrase' | 'question'): QualitySet {
  const path = new URL('../test/paraphrases.json', import.meta.url)
  const pairs = JSON.parse(readFileSync(path, 'utf8')) as Paraphrase[]
  return {
    queries: pairs.map((pair) => pair[kind]),
    documents: pairs.map(({ document }) => document),
    isRight: (query, document) => query === document,
  }
}

interface Page {
  readonly title: string
  readonly body: string
  /** False for a page whose title is a file name and a number. */
  readonly named: boolean
}

/** The pages of `@sap-ux/fiori-docs-embeddings`, without their title lines. */
export function readPages(): readonly Page[] {
  const fixture = import.meta.resolve('@sap-ux/fiori-docs-embeddings')
  const lines = readFileSync(new URL('data/embeddings/records.jsonl', fixture), 'utf8').split('\n')
  const titleLine = /^\s*\**TITLE\**:.*$/m
  return lines
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { title: string; content: string })
    .map(({ title, content }) => ({
      title,
      body: content.replace(titleLine, ''),
      named: titleLine.test(content),
    }))
}

/** Titles as queries for their pages. `characters`: how much of a page is embedded; absent: all. */
export function titleSet(pages: readonly Page[], characters?: number): QualitySet {
  const titles = pages.filter(({ named }) => named).map(({ title }) => title)
  return {
    queries: titles,
    documents: pages.map(({ body }) => body.slice(0, characters)),
    isRight: (query, document) => titles[query] === pages[document]?.title,
  }
}

/** Real text, cut into documents of `documentCharacters`; at most `count`. */
export function speedTexts(pages: readonly Page[], count: number): readonly string[] {
  const long = pages.map(({ body }) => body).join('\n')
  return Array.from({ length: count }, (_, index) =>
    long.slice(index * documentCharacters, (index + 1) * documentCharacters),
  ).filter((text) => text.length === documentCharacters)
}

/** For each query the place of its best right answer among all documents, from 1. */
export async function placesOf(
  { queries, documents, isRight }: QualitySet,
  embed: Embed,
): Promise<readonly number[]> {
  const queryVectors = await embed(queries)
  const documentVectors = await embed(documents)
  return queryVectors.map((query, q) => {
    const scores = documentVectors.map((document) => dot(query, document))
    const best = Math.max(...scores.filter((_, d) => isRight(q, d)))
    return 1 + scores.filter((score, d) => score > best && !isRight(q, d)).length
  })
}

export function rankingOf(places: readonly number[]): Ranking {
  return {
    top1: mean(places.map((place) => (place === 1 ? 1 : 0))),
    mrr10: mean(places.map((place) => (place <= 10 ? 1 / place : 0))),
    queries: places.length,
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let d = 0; d < a.length; d += 1) sum += (a[d] ?? 0) * (b[d] ?? 0)
  return sum
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
