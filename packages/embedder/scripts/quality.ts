/**
 * Prints what the built-in engine achieves, on the built package:
 *
 *   pnpm --filter @mcp-worker/embedder run build && node packages/embedder/scripts/quality.ts
 *
 * The engine's constants were chosen on every third text or query ("chosen on"); the figures that count are those
 * of the other two thirds ("held out"), which nothing was ever chosen on.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { openEmbedder } from '@mcp-worker/embedder'

interface Paraphrase {
  document: string
  paraphrase: string
  question: string
}

interface Ranking {
  top1: number
  mrr10: number
  queries: number
}

const embedder = await openEmbedder()
const documentCharacters = 600
const splits = {
  'held out': (index: number) => index % 3 !== 0,
  'chosen on': (index: number) => index % 3 === 0,
}

/** For each query the place of its best right answer among all documents. */
async function rank(
  queries: string[],
  documents: string[],
  isRight: (query: number, document: number) => boolean,
) {
  const queryVectors = await embedder.embed(queries)
  const documentVectors = await embedder.embed(documents)
  return queryVectors.map((query, q) => {
    const scores = documentVectors.map((document) => dot(query, document))
    const best = Math.max(...scores.filter((_, d) => isRight(q, d)))
    return 1 + scores.filter((score, d) => score > best && !isRight(q, d)).length
  })
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, d) => sum + value * (b[d] ?? 0), 0)
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function summarise(places: number[]): Ranking {
  return {
    top1: mean(places.map((place) => (place === 1 ? 1 : 0))),
    mrr10: mean(places.map((place) => (place <= 10 ? 1 / place : 0))),
    queries: places.length,
  }
}

function report(what: string, places: number[]): void {
  for (const [split, belongs] of Object.entries(splits)) {
    const { top1, mrr10, queries } = summarise(places.filter((_, index) => belongs(index)))
    const figures = `top-1 ${top1.toFixed(3)}  MRR@10 ${mrr10.toFixed(3)}  (${queries} queries)`
    console.log(`${what.padEnd(34)} ${split.padEnd(10)} ${figures}`)
  }
}

async function paraphraseQuality(): Promise<void> {
  const path = new URL('../test/paraphrases.json', import.meta.url)
  const pairs = JSON.parse(readFileSync(path, 'utf8')) as Paraphrase[]
  const documents = pairs.map(({ document }) => document)
  for (const kind of ['paraphrase', 'question'] as const) {
    const queries = pairs.map((pair) => pair[kind])
    report(`${kind} → document`, await rank(queries, documents, (query, document) => query === document))
  }
}

interface Page {
  title: string
  body: string
  /** False for a page whose title is a file name and a number. */
  named: boolean
}

function readPages(): Page[] {
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

async function titleQuality(pages: Page[]): Promise<void> {
  const named = pages.filter((page) => page.named)
  const titles = named.map(({ title }) => title)
  const same = (query: number, document: number): boolean => titles[query] === pages[document]?.title
  const bodies = pages.map(({ body }) => body)
  const heads = bodies.map((body) => body.slice(0, documentCharacters))
  report(`title → ${documentCharacters} characters of body`, await rank(titles, heads, same))
  report('title → whole body', await rank(titles, bodies, same))
}

async function speed(pages: Page[]): Promise<void> {
  const long = pages.map(({ body }) => body).join('\n')
  const documents = Array.from({ length: 4000 }, (_, index) =>
    long.slice(index * documentCharacters, (index + 1) * documentCharacters),
  ).filter((text) => text.length === documentCharacters)
  await embedder.embed(documents.slice(0, 500))
  const before = process.cpuUsage()
  const vectors = await embedder.embed(documents)
  const { user, system } = process.cpuUsage(before)
  const perSecond = documents.length / ((user + system) / 1e6)
  console.log(`${Math.round(perSecond)} documents of ${documentCharacters} characters per CPU second`)
  const hash = createHash('sha256')
  for (const vector of vectors) hash.update(new Uint8Array(vector.buffer))
  console.log(`sha256 of all ${vectors.length} vectors: ${hash.digest('hex')}`)
}

const pages = readPages()
await paraphraseQuality()
await titleQuality(pages)
await speed(pages)
