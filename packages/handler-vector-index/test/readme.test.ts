import { glob, readFile } from 'node:fs/promises'
import type { PluginMetrics } from '@mcp-worker/runtime'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { DOCUMENT_FAULTS } from '../src/faults.js'
import { createVectorIndexMetrics } from '../src/metrics.js'
import { optionsSchema } from '../src/options.js'
import { payloadSchema } from '../src/payload.js'
import { pgvectorStoreOptions } from '../src/pgvector/options.js'
import { qdrantStoreOptions } from '../src/qdrant/options.js'
import { sqliteStoreOptions } from '../src/sqlite/options.js'
import { PROBLEMS } from '../src/verify.js'

const read = async (path: string) =>
  (await readFile(new URL(path, import.meta.url), 'utf8')).replaceAll(/ +/g, ' ')
const readme = () => read('../README.md')

interface JsonSchema {
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly oneOf?: readonly JsonSchema[]
}
const jsonSchema = (schema: z.ZodType) =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema

/** A row for each option: its name, its description and its default, as the schema has them. */
function optionRows(schema: z.ZodType): string[] {
  return Object.entries(jsonSchema(schema).properties ?? {}).map(
    ([name, { description, default: value }]) => {
      const said = value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('"', "'")}\``
      return `| \`${name}\` | ${description} | ${said} |`.replaceAll(/ +/g, ' ')
    },
  )
}

test.for([
  ['README.md', optionsSchema],
  ['README.md', sqliteStoreOptions],
  ['docs/engines.md', qdrantStoreOptions],
  ['docs/engines.md', pgvectorStoreOptions],
] as const)('%s has the options with their meaning and default, and no others', async ([file, schema]) => {
  const text = await read(`../${file}`)
  const rows = optionRows(schema)
  const lines = text.split('\n')
  const first = lines.indexOf(rows[0] ?? '')
  expect(lines.slice(first, first + rows.length + 1)).toEqual([...rows, ''])
})

test("the README's configuration has options that the plugin takes", async () => {
  const [, json = ''] = /```json\n([^]*?)```/.exec(await readme()) ?? []
  const { plugins } = JSON.parse(json) as { plugins: { options: unknown }[] }
  expect(optionsSchema.safeParse(plugins[0]?.options).success).toBe(true)
})

test('the README names each field of the payload and each operation, and no others', async () => {
  const text = await readme()
  const branches = jsonSchema(payloadSchema).oneOf ?? []
  const fields = new Set(branches.flatMap(({ properties = {} }) => Object.keys(properties)))
  fields.delete('operation')
  const [, table = ''] = /\| field \|[^\n]*\n([^]*?)\n\n/.exec(text) ?? []
  const named = table
    .split('\n')
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name))
  expect(new Set(named)).toEqual(fields)
  const operations = branches.map(({ properties }) => properties?.['operation']?.const)
  const [, rows = ''] = /\| operation \|[^\n]*\n([^]*?)\n\n/.exec(text) ?? []
  expect(new Set([...rows.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name))).toEqual(new Set(operations))
})

test('the README has each error code of the sources, and no others', async () => {
  const codes = new Set<string>(Object.keys(DOCUMENT_FAULTS))
  for await (const file of glob('src/**/*.ts', { cwd: new URL('..', import.meta.url).pathname })) {
    const source = await readFile(new URL(`../${file}`, import.meta.url), 'utf8')
    for (const [, code] of source.matchAll(/\bcode: '([A-Z]+_[A-Z_]+|CONTENTION)'/g))
      if (code !== undefined) codes.add(code)
  }
  for (const code of Object.keys(PROBLEMS)) codes.delete(code)
  const [, section = ''] = /## Errors\n([^]*?)\n`verify` finds/.exec(await readme()) ?? []
  const named = [...section.matchAll(/`([A-Z]+_[A-Z_\d]+|CONTENTION)`/g)].map(([, code]) => code)
  expect(new Set(named)).toEqual(codes)
})

test('the README has each problem that verify finds', async () => {
  const text = await readme()
  for (const [code, meaning] of Object.entries(PROBLEMS))
    expect(text).toContain(`| \`${code}\` | ${meaning} |`)
})

test('the README has each metric with its help, and no others', async () => {
  const rows: string[] = []
  const note = ({
    name,
    help,
    labels = [],
  }: {
    name: string
    help: string
    labels?: readonly string[]
  }): void => {
    const label = labels.length > 0 ? `{${labels.join()}}` : ''
    rows.push(`| \`mcp_worker_vector_index_${name}${label}\` | ${help} |`)
  }
  const metrics: PluginMetrics = {
    counter: (spec) => (note(spec), { inc: () => {} }),
    gauge: (spec) => (note(spec), { set: () => {} }),
    histogram: (spec) => (note(spec), { observe: () => {} }),
  }
  createVectorIndexMetrics(metrics)
  const text = await readme()
  expect([...text.matchAll(/^\| `mcp_worker_vector_index_.*$/gm)].map(([row]) => row)).toEqual(rows)
})
