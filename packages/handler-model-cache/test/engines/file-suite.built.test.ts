import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createFileEngine, fileEngineOptions } from '@mcp-worker/handler-model-cache'
import { describeEngine } from '../engine-suite.js'
import { writeGguf } from '../models/write-gguf.js'
import { modelFolder, sharedModel } from './folder.fixture.js'

const run = promisify(execFile)
const enoughBytes = 16 * 2 ** 20

const putSlow = sharedModel((path) => writeGguf(path, 300))

describeEngine('file', async () => {
  const root = await modelFolder()
  writeGguf(join(root, 'small.gguf'), 16)
  await writeFile(join(root, 'other.bin'), Buffer.alloc(16_000_000, 'x'))
  await putSlow(join(root, 'slow.gguf'))
  const small = await readFile(join(root, 'small.gguf'))
  await dropFromPageCache(root)
  const engine = createFileEngine(fileEngineOptions.parse({ root, watchInterval: '20ms' }))
  return {
    engine,
    model: 'small.gguf',
    other: 'other.bin',
    slow: 'slow.gguf',
    abortAfterBytes: 2 * enoughBytes,
    digest: `sha256:${createHash('sha256').update(small).digest('hex')}`,
    held: () => cachedFiles(root),
    lose: () => appendFile(join(root, 'small.gguf'), 'more'),
  }
})

/**
 * How many of the folder's files are in the page cache for more than half, or more than the kernel reads ahead of a look at the header, as util-linux's
 * `fincore` sees it.
 */
async function cachedFiles(root: string): Promise<number> {
  const files = (await readdir(root)).map((file) => join(root, file))
  const { stdout } = await run('fincore', ['--bytes', '--noheadings', '--output', 'RES,SIZE', ...files])
  const sizes = stdout.trim().split('\n')
  return sizes.filter((line) => {
    const [resident = 0, size = 0] = line.trim().split(/\s+/).map(Number)
    return resident > Math.min(size / 2, enoughBytes)
  }).length
}

/** What has just been written is in the page cache, and only what is on the disk can be dropped from it. */
async function dropFromPageCache(root: string): Promise<void> {
  for (const file of await readdir(root)) {
    await run('sync', [join(root, file)])
    await run('dd', [`if=${join(root, file)}`, 'iflag=nocache', 'count=0'])
  }
}
