import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { openIndex } from './index-harness.js'

const line = (id: string, text = `text of ${id}`) => JSON.stringify({ id, text })
const bytes = (...parts: readonly (string | readonly number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

/** The result of indexing a file with these bytes, and what is stored then: texts by their ids. */
async function indexFile(content: Buffer | string, on_error: 'fail' | 'continue' = 'continue') {
  const index = await openIndex()
  await writeFile(join(index.folder, 'docs.jsonl'), content)
  const result = await index.run({ documents_ref: 'docs.jsonl', on_error })
  const { documents } = await index.store.list({ collection: 'documents', after: null, limit: 1000 })
  const ids = documents.map(({ id }) => id)
  const stored = await index.store.read('documents', ids)
  return { ...result, stored: Object.fromEntries(ids.map((id) => [id, stored.get(id)?.chunks[0]?.text])) }
}

const abc = { a: 'text of a', b: 'text of b', c: 'text of c' }

test('bytes that are not UTF-8 fail their document alone, with its line, the byte and its place', async () => {
  const latin1 = bytes('{"id":"bad","text":"caf', [0xe9], '"}')
  const before = `${line('a')}\n\n`
  const result = await indexFile(bytes(before, [...latin1], `\r\n${line('b')}\n${line('c')}`))
  expect(result.stored).toEqual(abc)
  expect(result).toMatchObject({ inserted: 3, failed_count: 1 })
  const offset = before.length + 23
  expect(result.failed).toEqual([
    {
      id: '#1',
      code: 'INVALID_UTF8',
      position: 1,
      line: 3,
      detail: `byte 0xe9 at offset ${offset} of the file is not UTF-8`,
    },
  ])
})

test('with on_error fail the message names line, byte and remedy, and nothing of the batch is written', async () => {
  const index = await openIndex()
  await writeFile(join(index.folder, 'docs.jsonl'), bytes(`${line('a')}\n"caf`, [0xe9], '"\n'))
  await expect(index.run({ documents_ref: 'docs.jsonl' })).rejects.toMatchObject({
    name: 'NonRetryableError',
    code: 'INVALID_UTF8',
    message: expect.stringMatching(/"#1" \(line 2\).*0xe9 at offset \d+ of the file.*Mend it/s),
  })
  expect(await index.store.describe('documents')).toBeNull()
})

test.for([
  ['a lone continuation byte', [0x80]],
  ['an overlong slash', [0xc0, 0xaf]],
  ['half a surrogate pair', [0xed, 0xa0, 0x80]],
  ['a character above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ['a sequence that is cut off', [0xe2, 0x82]],
] as const)('%s is not UTF-8, in a line and in an array', async ([, bad]) => {
  const good = 'true U+FFFD \uFFFD, é, 漢, 😀'
  const documents = [
    bytes(line('a', good)),
    bytes('{"id":"b","text":"', [...bad], '"}'),
    bytes(line('c')),
  ].map((part) => [...part])
  const [a = [], b = [], c = []] = documents
  for (const content of [bytes(a, '\n', b, '\n', c), bytes('[', a, ',\n', b, ',\n', c, ']')]) {
    const result = await indexFile(content)
    expect(result.stored).toEqual({ a: good, c: 'text of c' })
    expect(result.failed).toMatchObject([{ id: '#1', code: 'INVALID_UTF8', line: 2 }])
    expect(result.failed[0]?.detail).toContain(`offset ${content.lastIndexOf(Buffer.from(bad))} `)
  }
})

test('a character that lies on the border of two pieces that are read is whole', async () => {
  // pieces have 512 KiB
  for (let shift = 0; shift < 4; shift++) {
    const head = `{"id":"a","text":"`
    const filler = 'x'.repeat(512 * 1024 - head.length - 200 - shift)
    const result = await indexFile(
      `${head}","metadata":{"filler":"${filler}","tail":"${'😀'.repeat(100)}"},"text":"a"}`,
    )
    expect(result).toMatchObject({ inserted: 1, failed_count: 0 })
  }
})

test.for([
  ['a byte order mark', bytes([0xef, 0xbb, 0xbf], `${line('a')}\n${line('b')}\n${line('c')}\n`)],
  [
    'a byte order mark before an array',
    bytes([0xef, 0xbb, 0xbf], ` [${line('a')},${line('b')},${line('c')}]`),
  ],
  [
    'byte order marks of files that were joined',
    bytes([0xef, 0xbb, 0xbf], `${line('a')}\n`, [0xef, 0xbb, 0xbf], `${line('b')}\n${line('c')}`),
  ],
  ['ends of line as Windows has them', `${line('a')}\r\n${line('b')}\r\n\r\n${line('c')}\r\n`],
  ['a last line without an end', `${line('a')}\n${line('b')}\n${line('c')}`],
  ['empty lines', `\n\n${line('a')}\n \t\n${line('b')}\n\n\n${line('c')}\n\n`],
] as const)('%s is no fault', async ([, content]) => {
  const result = await indexFile(content, 'fail')
  expect(result).toMatchObject({ inserted: 3, failed: [] })
  expect(result.stored).toEqual(abc)
})

test('a NUL byte fails its document alone, an escaped one is a character', async () => {
  const result = await indexFile(`${line('a')}\n{"id":"x","text":"a\0b"}\n\0\0\0\0\n${line('b', 'a\0b')}`)
  expect(result.stored).toEqual({ a: 'text of a', b: 'a\0b' })
  expect(result.failed).toMatchObject([
    { id: '#1', code: 'INVALID_JSON', line: 2 },
    { id: '#2', code: 'INVALID_JSON', line: 3 },
  ])
})

const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16()

test.for([
  ['UTF-16 (little endian)', Buffer.from(`\uFEFF${line('a')}\n`, 'utf16le'), /iconv -f UTF-16/],
  ['UTF-16 (big endian)', utf16be(`\uFEFF${line('a')}\n`), /iconv -f UTF-16/],
  ['UTF-16 (little endian)', Buffer.from(`${line('a')}\n`, 'utf16le'), /iconv -f UTF-16LE/],
  ['UTF-16 (big endian)', utf16be(`[${line('a')}]`), /iconv -f UTF-16BE/],
  ['UTF-32', bytes([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0]), /iconv -f UTF-32/],
  ['a gzip archive', gzipSync(line('a')), /unpack/],
  ['a zstd archive', bytes([0x28, 0xb5, 0x2f, 0xfd, 0, 0]), /unpack/],
  ['a zip archive', bytes('PK', [3, 4, 20, 0]), /unpack/],
  ['a Parquet file', bytes('PAR1', [0x15, 4]), /export/],
] as const)(
  'a file that is %s is refused as a whole, whatever on_error says: %#',
  async ([came, content, remedy]) => {
    const refused = indexFile(content)
    await expect(refused).rejects.toMatchObject({
      name: 'NonRetryableError',
      code: 'DOCUMENTS_REF_FORMAT',
      message: expect.stringContaining(`"docs.jsonl": expected UTF-8`),
    })
    await expect(refused).rejects.toThrow(`got ${came}`)
    await expect(refused).rejects.toThrow(remedy)
  },
)

test('a sync with a file in another encoding deletes nothing', async () => {
  const index = await openIndex()
  await index.run({ documents: [{ id: 'a', text: 'kept' }] })
  await writeFile(join(index.folder, 'docs.jsonl'), Buffer.from(`\uFEFF${line('b')}\n`, 'utf16le'))
  const sync = index.run({
    operation: 'sync',
    documents_ref: 'docs.jsonl',
    on_error: 'continue',
    allow_empty: true,
  })
  await expect(sync).rejects.toMatchObject({ code: 'DOCUMENTS_REF_FORMAT' })
  expect(await index.store.describe('documents')).toMatchObject({ count: 1 })
})

const rest = `${line('a')}\n${line('b')}\n${line('c')}\n`

test.for([
  ['an array', `["x"]\n${rest}`, 'INVALID_DOCUMENT', 'expected an object or a text, got array'],
  ['an array of documents', `[${line('x')}]\r\n\n${rest}`, 'INVALID_DOCUMENT', 'got array'],
  ['an array that is cut off', `[${line('x')}\n${rest}`, 'INVALID_JSON', ''],
  ['an array that is cut off within a text', `["x\n${rest}`, 'INVALID_JSON', ''],
] as const)(
  'a file of lines whose first is %s: that line fails, the others land',
  async ([, content, code, detail]) => {
    const result = await indexFile(content)
    expect(result.failed).toMatchObject([
      { id: '#0', code, line: 1, detail: expect.stringContaining(detail) },
    ])
    expect(result.stored).toEqual(abc)
  },
)

test.for([
  ['one line', `[${line('a')},${line('b')},${line('c')}]\n\n`],
  ['a line each', `[\n  ${line('a')},\n  ${line('b')},\n  ${line('c')}\n]\n`],
  ['commas in front', `[ ${line('a')}\n, ${line('b')}\n, ${line('c')}\n]`],
  [
    'many lines each',
    JSON.stringify(
      ['a', 'b', 'c'].map((id) => ({ id, text: `text of ${id}` })),
      null,
      2,
    ),
  ],
] as const)('one array over %s is read as an array, whatever the file is called', async ([, content]) => {
  const result = await indexFile(content, 'fail')
  expect(result.stored).toEqual(abc)
})

test('what is wrong within an array is named by the line on which the element begins', async () => {
  const content = `[\n  ${line('a')},\n\n  {"id":"x",\n   "text":\n  nope},\n  ${line('b')},,\n  ${line('c')}]\n}`
  const result = await indexFile(content)
  expect(result.stored).toEqual(abc)
  expect(result.failed).toMatchObject([
    { id: '#1', code: 'INVALID_JSON', line: 4 },
    {
      id: '#3',
      code: 'INVALID_JSON',
      line: 7,
      detail: expect.stringContaining('nothing between two commas'),
    },
    {
      id: '#5',
      code: 'INVALID_JSON',
      line: 9,
      detail: expect.stringContaining('after the end of the array'),
    },
  ])
})

test('an array that is cut off gives what it holds, and the fault', async () => {
  const result = await indexFile(`[${line('a')},\n${line('b')},\n${line('c')}`)
  expect(result.stored).toEqual(abc)
  expect(result.failed).toMatchObject([
    { id: '#3', code: 'INVALID_JSON', line: 3, detail: expect.stringContaining('not closed') },
  ])
})

test('each failed document of a file says its line, and what was expected where the code does not', async () => {
  const lines = [
    '{"id":"a","text":"x","colour":"red","version":"1"}',
    '',
    '17',
    '{"id":"c"}',
    `{"id":"d","text":"${'x'.repeat(10_001)}"}`,
    '{"id":"e","text":"???"}',
    '{"id":"f","text":"x",}',
  ]
  expect(
    (await indexFile(lines.join('\n'))).failed.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
  ).toMatchObject([
    {
      id: '#0',
      code: 'INVALID_DOCUMENT',
      line: 1,
      detail: 'version: expected number, got string; colour: unknown key',
    },
    { id: '#1', code: 'INVALID_DOCUMENT', line: 3, detail: 'expected an object or a text, got number' },
    { id: '#2', code: 'INVALID_DOCUMENT', line: 4, detail: 'expected text or vector' },
    {
      id: 'd',
      code: 'DOCUMENT_TOO_LARGE',
      line: 5,
      detail: 'expected a text of at most 10000 characters, got 10001',
    },
    { id: 'e', code: 'ZERO_VECTOR', line: 6 },
    { id: '#5', code: 'INVALID_JSON', line: 7, detail: expect.stringContaining('at position') },
  ])
})

test('a ready vector of another dimension says both, and its line', async () => {
  const { failed } = await indexFile(
    '{"id":"a","vector":[1,2]}\n\n{"id":"b","vector":[1,2,3]}\n{"id":"c","vector":[0,0]}',
  )
  expect(failed).toMatchObject([
    { id: 'c', code: 'ZERO_VECTOR', position: 2, line: 4 },
    { id: 'b', code: 'DIM_MISMATCH', position: 1, line: 3, detail: 'expected 2 components, got 3' },
  ])
})
