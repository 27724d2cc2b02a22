/**
 * Makes docs.json, the payload of `mcp-worker submit vector_index @examples/docs.json`, from the documentation texts of the npm package
 * `@sap-ux/fiori-docs-embeddings` (Apache-2.0), which packages/embedder has for its tests. Run: `node examples/make-docs.ts`
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

interface Article {
  readonly document_id: string
  readonly chunk_index: number
  readonly title: string
  readonly category: string
  readonly path: string
  readonly content: string
}

const CATEGORIES = new Set(['Btp Fiori Tools', 'Fiori Samples', 'Fiori Development Portal', 'Sapui5'])
/** In characters. Whole paragraphs from the article's beginning, so that the payload stays below its limit of 1 MiB. */
const MAX_TEXT = 1600
const MAX_DOCUMENTS = 400

const require = createRequire(new URL('../packages/embedder/package.json', import.meta.url))
const folder = dirname(require.resolve('@sap-ux/fiori-docs-embeddings'))
const articles = readFileSync(join(folder, 'data/embeddings/records.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Article)
  // an article without a title of its own is called "file - Chunk n"
  .filter(({ category, title }) => CATEGORIES.has(category) && !/ - Chunk \d+$/.test(title))

/** Spread evenly over all articles. */
const chosen = Array.from(
  { length: Math.min(MAX_DOCUMENTS, articles.length) },
  (_, i) => articles[Math.floor((i * articles.length) / MAX_DOCUMENTS)],
).filter((article) => article !== undefined)

const documents = chosen.map(({ document_id, title, category, path, content }) => ({
  id: document_id.replace(/^local-/, ''),
  text: beginning(content),
  source_id: path,
  metadata: { title, category },
}))
const payload = { collection: 'fiori-docs', documents }
writeFileSync(new URL('docs.json', import.meta.url), `${JSON.stringify(payload, null, 1)}\n`)

function beginning(content: string): string {
  const plain = content.replaceAll('\r', '').replaceAll(/\*\*(TITLE|INTRODUCTION|TAGS)\*\*: /g, '')
  if (plain.length <= MAX_TEXT) return plain.trim()
  const end = plain.lastIndexOf('\n\n', MAX_TEXT)
  return plain.slice(0, end === -1 ? MAX_TEXT : end).trim()
}
