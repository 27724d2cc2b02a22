import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import {
  EmbedderError,
  embedderErrors,
  embedderOptions,
  fingerprintText,
  isEmbedderError,
  openEmbedder,
} from '../src/index.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
// the formatter pads tables
const unpadded = readme.replaceAll(/ +/g, ' ')

/** The rows of the first table under a heading. */
function rowsUnder(heading: string): string[] {
  const [, section = ''] = unpadded.split(`\n${heading}\n`)
  const [, ...rows] = /(\|.*\n)+/.exec(section)?.[0].trim().split('\n') ?? []
  return rows.slice(1)
}

interface OptionSchema {
  description?: string
  default?: unknown
}

interface OptionsSchema {
  anyOf?: { properties: Record<string, OptionSchema> }[]
  oneOf?: { properties: Record<string, OptionSchema> }[]
}

describe('openEmbedder', () => {
  it('opens the built-in engine without options or without an engine', async () => {
    for (const options of [undefined, {}, { engine: 'builtin' as const }]) {
      const embedder = await openEmbedder(options)
      expect(embedder.fingerprint).toMatchObject({ name: 'builtin', dimension: 384 })
    }
  })

  it('lists all problems of the options at once, and not the key', async () => {
    const options = {
      engine: 'openai',
      baseUrl: 'ftp://x',
      model: '',
      apiKey: 'secret key',
      sendDimension: true,
    }
    const error = await openEmbedder(options as never).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'OPTIONS_INVALID', retryable: false })
    for (const name of ['baseUrl', 'model', 'apiKey']) expect(String(error)).toContain(`at ${name}`)
    expect(String(error)).not.toContain('secret')
  })

  it('refuses an option that does not exist, a password in the address, and sendDimension without dimension', () => {
    const good = { engine: 'openai', baseUrl: 'http://127.0.0.1/v1', model: 'm' }
    expect(embedderOptions.safeParse(good).success).toBe(true)
    const bad = [{ modle: 'x' }, { baseUrl: 'http://me:secret@127.0.0.1/v1' }, { sendDimension: true }]
    for (const extra of bad) expect(embedderOptions.safeParse({ ...good, ...extra }).success).toBe(false)
  })

  it.each([
    // fetch gives up by itself after that
    [{ requestTimeoutMs: 300_000 }, true],
    [{ requestTimeoutMs: 300_001 }, false],
    // a timer of Node would fire at once
    [{ maxRetryWaitMs: 2 ** 31 - 1 }, true],
    [{ maxRetryWaitMs: 2 ** 31 }, false],
  ])('takes no time that would not be kept: %j', (times, isTaken) => {
    const options = { engine: 'openai', baseUrl: 'http://127.0.0.1/v1', model: 'm', ...times }
    expect(embedderOptions.safeParse(options).success).toBe(isTaken)
  })
})

describe('the fingerprint as text', () => {
  it('is one line that differs when any part does', () => {
    const base = { name: 'openai/a b', version: '1', dimension: 3, assetHash: 'remote' }
    const texts = [
      base,
      { ...base, name: 'openai/a' },
      { ...base, version: 'b 1' },
      { ...base, dimension: 4 },
    ].map(fingerprintText)
    expect(new Set(texts).size).toBe(4)
    expect(texts[0]).toBe('openai%2Fa%20b 1 3 remote')
  })
})

describe('errors', () => {
  it('end with the remedy of their code', () => {
    const error = new EmbedderError('TEXT_EMPTY', 'expected a text, got none')
    expect(error.message).toBe(`expected a text, got none. ${embedderErrors.TEXT_EMPTY.remedy}`)
  })

  it('are known by their brand', () => {
    expect(isEmbedderError(new EmbedderError('TEXT_EMPTY', 'x'))).toBe(true)
    expect(isEmbedderError(new Error('x'))).toBe(false)
    expect(isEmbedderError(undefined)).toBe(false)
  })
})

describe('the README', () => {
  it('has a row for every option and no other, with its default and its description', () => {
    const schema = z.toJSONSchema(embedderOptions, { io: 'input' }) as OptionsSchema
    const engines = schema.oneOf ?? schema.anyOf ?? []
    expect(engines).toHaveLength(2)
    const options = engines.flatMap(({ properties }) => Object.entries(properties))
    const rows = options.flatMap(([name, option]) => {
      if (name === 'engine') return []
      const fallback = option.default === undefined ? '' : `\`${JSON.stringify(option.default)}\` `
      return `| \`${name}\` | ${fallback.replaceAll('"', "'")}| ${option.description} |`
    })
    expect(rowsUnder('### `openai`')).toEqual(rows)
  })

  it('has a row for every error code and no other, with its remedy', () => {
    const rows = Object.entries(embedderErrors).map(
      ([code, { retryable, remedy }]) => `| \`${code}\` | ${retryable ? 'yes' : 'no'} | ${remedy} |`,
    )
    expect(rowsUnder('## Errors')).toEqual(rows)
  })

  it('shows an example that does what it says', async () => {
    const example = new URL('example.fixture.ts', import.meta.url)
    expect(readme).toContain(readFileSync(example, 'utf8'))
    const log = vi.spyOn(console, 'log').mockImplementation(() => {})
    await import('./example.fixture.js')
    expect(log.mock.calls[0]).toEqual([true])
    log.mockRestore()
  })
})
