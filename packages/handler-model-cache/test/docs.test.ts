import { readFile } from 'node:fs/promises'
import type { InstrumentSpec, PluginMetrics } from '@mcp-worker/runtime'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { isRetryableCode, MODEL_ERROR_CODES } from '../src/errors.js'
import { createModelCacheMetrics } from '../src/metrics.js'
import { optionsSchema } from '../src/options.js'
import { OUTCOMES, payloadSchema, resultSchema } from '../src/payload.js'

const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
/** Cells of each row, without what aligns them. */
const rows = readme
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
const rowOf = (name: string) => rows.find(([, first]) => first === `\`${name}\``)

const silent = (): void => {}
const SILENT = { debug: silent, info: silent, warn: silent, error: silent }

interface Property {
  readonly description?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Property>>
}

function propertiesOf(schema: z.ZodType): Readonly<Record<string, Property>> {
  return (z.toJSONSchema(schema, { io: 'input' }) as Property).properties ?? {}
}

test('the README has every option with its words and its default', () => {
  for (const [name, { description = '', default: given }] of Object.entries(propertiesOf(optionsSchema))) {
    const shown =
      given === undefined || typeof given === 'object'
        ? ''
        : `\`${JSON.stringify(given).replaceAll('"', '')}\``
    expect(rows, name).toContainEqual(['', `\`${name}\``, description, shown, ''])
  }
})

test('the README has every option of the engines', () => {
  const properties = propertiesOf(optionsSchema)
  for (const engine of ['ollama', 'onnx', 'file', 'embedder']) {
    for (const name of Object.keys(properties[engine]?.properties ?? {}))
      expect(rowOf(`${engine}.${name}`), `${engine}.${name}`).toBeDefined()
  }
})

test('the README has every field of the payloads, and every outcome', () => {
  const fields = new Set(payloadSchema.options.flatMap((option) => Object.keys(option.shape)))
  for (const field of fields) expect(rowOf(field), field).toBeDefined()
  for (const outcome of OUTCOMES) expect(readme).toContain(`\`${outcome}\``)
  for (const field of Object.keys(resultSchema.shape)) expect(readme).toContain(field)
})

test('the README has every error with its kind', () => {
  for (const code of MODEL_ERROR_CODES)
    expect(rowOf(code)?.[2], code).toBe(isRetryableCode(code) ? 'retryable' : 'permanent')
})

test('the guide and its alerts name metrics that exist', async () => {
  const guide = await readFile(new URL('../../../docs/guides/warm-models.md', import.meta.url), 'utf8')
  const named = [...guide.matchAll(/mcp_worker_model_cache_([a-z_]+)/g)].map(([, name]) => name)
  const known = rows.map(([, first = '']) => first.replaceAll(/`|\{.*/g, ''))
  expect(named.length).toBeGreaterThan(5)
  for (const name of named) expect(known).toContain(name)
})

test('the README has every metric with its labels and its help', () => {
  const specs: InstrumentSpec<string>[] = []
  const note = (spec: InstrumentSpec<string>) => void specs.push(spec)
  const metrics: PluginMetrics = {
    counter: (spec) => {
      note(spec)
      return { inc: () => {} }
    },
    gauge: (spec) => {
      note(spec)
      return { set: () => {} }
    },
    histogram: (spec) => {
      note(spec)
      return { observe: () => {} }
    },
  }
  createModelCacheMetrics(metrics, SILENT)
  for (const { name, labels = [], help } of specs) {
    const shown = labels.length === 0 ? name : `${name}{${labels.join(',')}}`
    expect(rowOf(shown)?.[2], name).toBe(help)
  }
  expect(specs.length).toBeGreaterThan(10)
})
