import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { FAULT_CODES, kindOfFault } from '../src/fault.js'
import { INSTRUMENTS } from '../src/metrics.js'
import { optionsSchema } from '../src/options.js'
import { payloadSchema, previewInputSchema, resultSchema } from '../src/payload.js'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')

/** Cells of the table whose head begins so, without the head. */
function tableOf(head: string): readonly (readonly string[])[] {
  const lines = readme.split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${head} `))
  expect(start, `a table that begins with ${head}`).toBeGreaterThan(0)
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'))
  return lines.slice(start + 2, end).map((line) =>
    line
      .replaceAll('\\|', '/')
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const namesIn = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '')
const first = (head: string) => tableOf(head).flatMap(([cell]) => namesIn(cell))
const sorted = (names: Iterable<string>) => [...names].toSorted()

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly oneOf?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly const?: unknown
}

/** Names of all properties, at any depth. */
function propertiesOf(schema: JsonSchema): readonly string[] {
  const { properties = {}, additionalProperties, items, oneOf = [], anyOf = [] } = schema
  const inner = [...Object.values(properties), ...oneOf, ...anyOf, ...(items ? [items] : [])]
  if (typeof additionalProperties === 'object') inner.push(additionalProperties)
  return [...Object.keys(properties), ...inner.flatMap(propertiesOf)]
}

test('the table of the payload has exactly the fields of the schema', () => {
  expect(sorted(first('field'))).toEqual(sorted(Object.keys(payloadSchema.shape)))
})

test('the defaults of the payload are those of the schema', () => {
  const parsed = payloadSchema.parse({ target: 't' })
  const defaults = Object.fromEntries(
    tableOf('field').flatMap(([names, , , value]) => namesIn(names).map((name) => [name, value])),
  )
  expect(defaults).toMatchObject({
    basis: `\`${parsed.basis}\``,
    keep_latest: `${parsed.keep_latest}`,
    pause_ms: `${parsed.pause_ms}`,
  })
  expect(defaults['dry_run']).toBe(`\`${String(parsed.dry_run)}\``)
})

test('the tables of targets and options have exactly what the schema has', () => {
  const schema = z.toJSONSchema(optionsSchema, { io: 'input' }) as JsonSchema
  // told by the tables of targets and rules, or names of their own
  const elsewhere = ['kind', 'name', 'engine', 'path', 'table', 'column', 'unit', 'where', 'type', 'payload']
  const known = new Set(propertiesOf(schema).filter((name) => !elsewhere.includes(name)))
  expect(sorted(new Set(first('option')))).toEqual(sorted(known))
  const kinds = JSON.stringify(schema).matchAll(/"kind":\{"type":"string","const":"(\w+)"/g)
  expect(sorted(first('kind'))).toEqual(sorted(new Set([...kinds].map(([, kind]) => kind ?? ''))))
})

test('options are camelCase, the payload is snake_case', () => {
  const options = propertiesOf(z.toJSONSchema(optionsSchema, { io: 'input' }) as JsonSchema)
  const fields = propertiesOf(z.toJSONSchema(payloadSchema, { io: 'input' }) as JsonSchema)
  expect(options.filter((name) => !/^[a-z][A-Za-z]*$/.test(name))).toEqual([])
  expect(fields.filter((name) => !/^[a-z][a-z_]*$/.test(name))).toEqual([])
})

test('the table of errors has every code with its kind, and no other', () => {
  const rows = tableOf('code').map(([code, kind]) => `${namesIn(code)[0]} ${kind}`)
  expect(rows).toEqual(FAULT_CODES.map((code) => `${code} ${kindOfFault(code)}`))
})

test('the table of metrics has every instrument, and no other', () => {
  expect(first('metric')).toEqual(Object.keys(INSTRUMENTS))
})

test('the text names every field of the result', () => {
  const text = readme.slice(readme.indexOf('**Result:**'), readme.indexOf('**Query**'))
  const own = ['target', 'kind', 'dry_run']
  for (const field of Object.keys(resultSchema.shape).filter((name) => !own.includes(name)))
    expect(text).toContain(`\`${field}\``)
})

test('the preview takes what the text says', () => {
  const fields = first('field').slice(0, 6)
  expect(sorted([...fields.filter((name) => name !== 'dry_run'), 'limit', 'cursor'])).toEqual(
    sorted(Object.keys(previewInputSchema.shape)),
  )
})
