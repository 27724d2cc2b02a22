import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createBuiltinEmbedder, readTable } from '../src/builtin.js'
import { maxCharacters } from '../src/text-vector.js'
import pairs from './paraphrases.json' with { type: 'json' }

const tableUrl = new URL('../assets/word-table.bin', import.meta.url)
const embedder = createBuiltinEmbedder()

function dot(a: Float32Array | undefined, b: Float32Array | undefined): number {
  return a?.reduce((sum, value, d) => sum + value * (b?.[d] ?? 0), 0) ?? Number.NaN
}

describe('the word table', () => {
  it('is the one that the fingerprint names, and at most 10 MB', async () => {
    const bytes = await readFile(tableUrl)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(embedder.fingerprint.assetHash)
    expect(bytes.length).toBeLessThanOrEqual(10_000_000)
  })

  it('has 50,000 words, each with a weight and a row of unit length', async () => {
    const table = await readTable(tableUrl)
    expect(table.rowOf.size).toBe(50_000)
    for (const row of [0, 1, 777, 49_999]) {
      const start = row * table.dimension
      const values = table.rows.subarray(start, start + table.dimension)
      const length = Math.hypot(...values) * (table.scale[row] ?? 0)
      expect(length).toBeCloseTo(1, 5)
      expect(table.salience[row]).toBeGreaterThan(0)
    }
  })

  it('is refused if it is missing or altered', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'embedder-'))
    try {
      const altered = pathToFileURL(join(folder, 'altered.bin'))
      const bytes = await readFile(tableUrl)
      bytes[5000] = (bytes[5000] ?? 0) ^ 1
      await writeFile(altered, bytes)
      await expect(readTable(altered)).rejects.toMatchObject({ code: 'ASSET_UNREADABLE' })
      await expect(readTable(pathToFileURL(join(folder, 'none.bin')))).rejects.toMatchObject({
        code: 'ASSET_UNREADABLE',
        cause: { code: 'ENOENT' },
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('vectors', () => {
  it('have the dimension of the fingerprint and unit length, whatever the text', async () => {
    const texts = [
      'A plain sentence.',
      'xqzvk',
      '東京都',
      '🙂',
      '!',
      'the the the',
      'é',
      'a'.repeat(500),
      '\u{d800}',
    ]
    const vectors = await embedder.embed(texts)
    expect(vectors).toHaveLength(texts.length)
    for (const vector of vectors) {
      expect(vector).toHaveLength(embedder.fingerprint.dimension)
      expect(dot(vector, vector)).toBeCloseTo(1, 5)
    }
  })

  it('do not depend on the other texts of the call', async () => {
    const texts = pairs.slice(0, 20).map(({ document }) => document)
    const together = await embedder.embed(texts)
    const alone = await Promise.all(texts.map(async (text) => (await embedder.embed([text]))[0]))
    expect(alone).toEqual(together)
  })

  // a change here changes the vectors that people have stored: raise algorithmVersion in builtin.ts with it
  it('are the same bytes in every process', async () => {
    const vectors = await embedder.embed(pairs.map(({ document }) => document))
    const hash = createHash('sha256')
    for (const vector of vectors) hash.update(new Uint8Array(vector.buffer))
    expect(hash.digest('hex')).toMatchInlineSnapshot(
      `"7570e981464f1087e813b2b9d7cf5d79972c5186c1e1def41bfa4b859a150cfd"`,
    )
  })

  it('depend on the first 65,536 characters only', async () => {
    const start = 'word '.repeat(maxCharacters / 5 + 1).slice(0, maxCharacters)
    const [short, long] = await embedder.embed([start, `${start} something else`])
    expect(long).toEqual(short)
  })

  it('keep a misspelt or inflected unknown word near the word', async () => {
    const [word, misspelt, other] = await embedder.embed(['kubectlctl', 'kubectctl', 'zanzibarite'])
    expect(dot(word, misspelt)).toBeGreaterThan(dot(word, other) + 0.1)
  })
})

describe('embed', () => {
  it('refuses a text of white space and names it', async () => {
    await expect(embedder.embed(['one', '', 'two'])).rejects.toMatchObject({
      code: 'TEXT_EMPTY',
      textIndex: 1,
    })
  })

  it('gives no vectors for no texts', async () => {
    expect(await embedder.embed([])).toEqual([])
  })

  it('lets the event loop turn while it works, and stops on abort with its reason', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    await embedder.embed(['load the table first'])
    const call = embedder.embed(
      Array.from({ length: 1000 }, () => 'some words '.repeat(400)),
      {
        signal: controller.signal,
      },
    )
    setImmediate(() => controller.abort(reason))
    await expect(call).rejects.toBe(reason)
  })
})
