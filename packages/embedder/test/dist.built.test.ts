import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { createBuiltinEmbedder } from '../src/builtin.js'

const packageFolder = fileURLToPath(new URL('..', import.meta.url))
const texts = ['The same text,', 'gives the same bytes: naïve 東京都 parseHTTPHeader xqzvk.']
const program = `
  import { createHash } from 'node:crypto'
  import { openEmbedder } from '@mcp-worker/embedder'
  const embedder = await openEmbedder()
  const hash = createHash('sha256')
  for (const vector of await embedder.embed(${JSON.stringify(texts)})) hash.update(new Uint8Array(vector.buffer))
  console.log(hash.digest('hex'))
`

it('the built package finds its table and gives the same bytes in another process', async () => {
  const run = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: packageFolder,
  })
  const hash = createHash('sha256')
  for (const vector of await createBuiltinEmbedder().embed(texts)) hash.update(new Uint8Array(vector.buffer))
  expect(run.stdout.trim()).toBe(hash.digest('hex'))
})
