/**
 * Writes the repository into each published package's manifest: node scripts/name-repository.ts
 *
 * npm accepts a provenance only where `repository` of the manifest is where the workflow ran. That is known there
 * (GITHUB_SERVER_URL, GITHUB_REPOSITORY), and written nowhere else, so that a fork names itself.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env
if (!server || !repository)
  throw new Error('expected GITHUB_SERVER_URL and GITHUB_REPOSITORY, as in a workflow')

const packages = new URL('../packages/', import.meta.url)
for (const folder of readdirSync(packages)) {
  const path = new URL(`${folder}/package.json`, packages)
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Readonly<Record<string, unknown>>
  const url = `git+${server}/${repository}.git`
  const named = { ...manifest, repository: { type: 'git', url, directory: `packages/${folder}` } }
  writeFileSync(path, `${JSON.stringify(named, null, 2)}\n`)
}
