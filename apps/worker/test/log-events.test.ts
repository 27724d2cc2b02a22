import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const ROOT = new URL('../../../', import.meta.url)

/** How a line of at least `warn` is written: the event first, the event last, and made by hand. */
const LOGGED = [
  /\blog(?:ger)?\.(?:warn|error|fatal)\(\s*'(?<event>[a-z_]+)'/g,
  /\blog\(\s*'(?:warn|error)',\s*'(?<event>[a-z_]+)'/g,
  /\blog(?:ger)?\.(?:warn|error|fatal)\(\s*[^')](?:(?!\blog(?:ger)?\.)[^])*?,\s*'(?<event>[a-z_]+)',?\s*\)/g,
  /level: '(?:warn|error)', event: '(?<event>[a-z_]+)'/g,
]

function sources(): string {
  return ['packages/runtime/src/', 'apps/worker/src/']
    .flatMap((folder) =>
      readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.startsWith('testing'))
        .map((file) => readFileSync(new URL(folder + file, ROOT), 'utf8')),
    )
    .join('\n')
}

function explained(): string[] {
  const page = readFileSync(new URL('docs/troubleshooting.md', ROOT), 'utf8')
  const section = page.split('## What the log says')[1]?.split('\n## ')[0] ?? ''
  const cells = section.split('\n').map((line) => /^\| (?<events>`[^|]+`)/.exec(line)?.groups?.['events'])
  return cells.flatMap((cell) => [...(cell ?? '').matchAll(/`([a-z_]+)`/g)].map((match) => match[1] ?? ''))
}

describe('the table of docs/troubleshooting.md', () => {
  it('explains every event that is logged as a warning or an error', () => {
    const text = sources()
    const logged = LOGGED.flatMap((pattern) =>
      [...text.matchAll(pattern)].map((match) => match.groups?.['event'] ?? ''),
    )
    expect(logged.length).toBeGreaterThan(20)
    expect([...new Set(logged)].filter((event) => !explained().includes(event))).toEqual([])
  })

  it('explains nothing that is not logged any more', () => {
    const text = sources()
    expect(explained().length).toBeGreaterThan(20)
    expect(explained().filter((event) => !text.includes(`'${event}'`))).toEqual([])
  })
})
