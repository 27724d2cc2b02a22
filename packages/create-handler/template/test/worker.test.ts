import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import plugin from '../src/index.ts'

test('a worker keeps each text in a file, in upper case where the options say so', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'my-task-'))
  const worker = createWorker({
    plugins: [plugin({ upperCase: true })],
    queue: memoryQueue(),
    dataDir,
    logger: createLogger({ level: 'warn' }),
  })
  onTestFinished(async () => {
    await worker.stop()
    await rm(dataDir, { recursive: true })
  })
  await worker.start()
  const task = await worker.submit('my_task', { texts: ['one', 'two', 'one'] })
  expect(await task.result()).toEqual({ kept: 3 })
  const files = (await readdir(dataDir, { recursive: true })).filter((name) => name.endsWith('.txt'))
  const kept = await Promise.all(files.map((name) => readFile(join(dataDir, name), 'utf8')))
  expect(kept.toSorted()).toEqual(['ONE', 'TWO'])
})
