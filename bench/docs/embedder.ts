import { readFileSync, writeFileSync } from 'node:fs'
import type { EmbedderResult, Parts } from '../vector/parts.ts'
import { markdownTable, readResults, thousands, where } from './markdown.ts'

interface Line {
  readonly what: string
  /** Of HANDLERS.md. */
  readonly target: string
  readonly cell: (result: EmbedderResult) => string
}

function linesOf({ paraphrases, titles }: EmbedderResult): readonly Line[] {
  return [
    {
      what: 'documents of 600 characters per CPU second',
      target: '≥ 1,000',
      cell: (each) => thousands(each.documentsPerCpuSecond),
    },
    {
      what: `${paraphrases.queries} hand-written paraphrases find their document among 95, top-1`,
      target: '≥ 0.80',
      cell: (each) => each.paraphrases.top1.toFixed(2),
    },
    {
      what: `${titles.queries} titles find their page among 778, by its first 600 characters, MRR@10`,
      target: '≥ 0.65',
      cell: (each) => each.titles.mrr10.toFixed(2),
    },
    {
      what: 'the same by the whole page, 7,900 characters on average: cut pages into chunks',
      target: '',
      cell: (each) => each.wholePages?.mrr10.toFixed(2) ?? 'not tried',
    },
    {
      what: `${paraphrases.queries} short questions in other words find their document among 95, top-1`,
      target: '',
      cell: (each) => each.questions.top1.toFixed(2),
    },
    {
      what: 'word table or model on the disk',
      target: '≤ 10 MB',
      cell: (each) => `${each.assetMb.toFixed(1)} MiB`,
    },
    { what: 'components per vector', target: '', cell: (each) => String(each.dimension) },
    { what: 'resident memory at most', target: '', cell: (each) => `${each.maxRssMb} MiB` },
  ]
}

/** The built-in engine beside another one. */
export function embedderTable({ results }: Parts['embedders']): string {
  const lines = linesOf(results[0]!)
  const head = ['what', 'target', ...results.map(({ name, version }) => `${name} ${version}`)]
  return markdownTable(
    head,
    lines.map(({ what, target, cell }) => [what, target, ...results.map(cell)]),
  )
}

const BLOCK = /(<!-- figures: written by bench\/write-docs.ts -->)[\s\S]*?(<!-- end of figures -->)/

/** The figures in the embedder's own README and in the decision about it. */
export function writeEmbedderFigures(): void {
  const { embedders } = readResults<Parts>('vector')
  const figures = `\n\n${embedderTable(embedders)}\n\n${where(embedders)}\n\n`
  for (const path of ['../../packages/embedder/README.md', '../../docs/decisions/embedder.md']) {
    const file = new URL(path, import.meta.url)
    const text = readFileSync(file, 'utf8')
    if (!BLOCK.test(text)) throw new Error(`expected a block of figures in ${file.pathname}, got none`)
    writeFileSync(
      file,
      text.replace(BLOCK, (_, start: string, end: string) => `${start}${figures}${end}`),
    )
  }
}
