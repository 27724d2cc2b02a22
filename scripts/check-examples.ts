/**
 * Every block of code in the pages says who runs it: `node scripts/check-examples.ts`. With `--guides` it prints the pages for `guide.ts` instead,
 * with `--steps PAGE` the steps of a page.
 *
 * Above a block stands `<!-- run -->` or `<!-- prints -->` (a page that is followed step by step), `<!-- file: PATH -->` (the block is that file),
 * `<!-- run by: PATH -->` (a test or script that reads the page, or does the same and names it), or `<!-- not run: REASON -->`.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PAGES = ['*.md', 'docs/*.md', 'docs/guides/*.md', 'examples/*.md', '{packages,apps}/*/*.md']
/** Followed by scripts of their own: scripts/first-run.sh, scripts/authors-trial.ts. */
const FOLLOWED_ELSEWHERE = ['README.md', 'docs/writing-a-handler.md']
const NO_PAGES = /CHANGELOG\.md$|node_modules/
const BLOCK = /(?:<!-- (?<marker>[^>]+?) -->\n+)?^```(?<language>\w*)\n(?<code>[\s\S]*?)^```$/gm
const STEP = /^(run|prints)$/

const repository = fileURLToPath(new URL('..', import.meta.url))
const pages = globSync(PAGES, { cwd: repository }).filter((page) => !NO_PAGES.test(page))
const blocks = pages.toSorted().flatMap((page) =>
  [...read(page).matchAll(BLOCK)].map(({ index, groups = {} }) => ({
    page,
    line: read(page).slice(0, index).split('\n').length,
    marker: groups['marker'] ?? '',
    code: groups['code'] ?? '',
  })),
)
type Block = (typeof blocks)[number]

const [, , flag, asked] = process.argv
if (flag === '--steps') {
  const steps = blocks.filter(({ page, marker }) => page === asked && marker === 'run')
  process.stdout.write(steps.map(({ code }) => code).join('\n'))
} else if (flag === '--guides') {
  const followed = new Set(blocks.flatMap(({ page, marker }) => (marker === 'run' ? [page] : [])))
  for (const page of followed) if (!FOLLOWED_ELSEWHERE.includes(page)) console.log(page)
} else {
  const faults = blocks.flatMap((block) => {
    const fault = faultOf(block)
    return fault === null ? [] : [`${block.page}:${block.line}: ${fault}`]
  })
  if (faults.length > 0) throw new Error(`examples that nobody runs:\n${faults.join('\n')}`)
  console.log(`${blocks.length} blocks of code in ${pages.length} pages: each is run, or says why not`)
}

function faultOf({ page, marker, code }: Block): string | null {
  if (STEP.test(marker)) return null
  const [, kind, what = ''] = /^(file|run by|not run): (.+)$/.exec(marker) ?? []
  if (kind === undefined) return 'who runs it? Say so in a comment above: see scripts/check-examples.ts'
  if (kind === 'not run') return null
  if (!existsSync(join(repository, what))) return `there is no ${what}`
  if (kind === 'file') return read(what) === code ? null : `it is not ${what} any more: copy it again`
  const name = page.startsWith('docs') || page === 'README.md' ? page : basename(page)
  return read(what).includes(name) ? null : `${what} does not name ${name}`
}

function read(path: string): string {
  return readFileSync(join(repository, path), 'utf8')
}
