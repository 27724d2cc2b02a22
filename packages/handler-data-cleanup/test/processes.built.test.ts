import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

interface Line {
  readonly ready?: true
  readonly progress?: number
  readonly result?: Readonly<Record<string, unknown>>
  readonly deliveries?: number
}

interface Work {
  readonly dataDir: string
  readonly queue: string
  readonly root: string
  readonly id: string
  readonly payload: object | null
}

const FIXTURE = fileURLToPath(new URL('./cleaner.fixture.ts', import.meta.url))

function startCleaner(work: Work, onLine: (line: Line, child: ChildProcess) => void = () => {}) {
  const child = spawn(process.execPath, [FIXTURE, JSON.stringify(work)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (data) => (errors += String(data)))
  const lines: Line[] = []
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line
    lines.push(line)
    onLine(line, child)
  })
  const end = once(child, 'close').then(() => ({ last: lines.at(-1), errors, signal: child.signalCode }))
  return { child, end }
}

const FILES = 2_000

/** Half of the files are old. */
async function world() {
  const root = await tempFolder()
  for (const folder of ['a', 'b', 'c/d']) await mkdir(join(root, folder), { recursive: true })
  for (let i = 0; i < FILES; i++) {
    const path = join(root, ['a', 'b', 'c', 'c/d'][i % 4] ?? '', `f${i}`)
    await writeFile(path, 'x')
    if (i % 8 < 4) await utimes(path, 1_000_000, 1_000_000)
  }
  return { root, dataDir: await tempFolder(), queue: await tempFolder() }
}

async function filesIn(root: string): Promise<readonly string[]> {
  return (await readdir(root, { recursive: true })).toSorted()
}

const slowly = { target: 'temp_files', older_than: '1h', basis: 'mtime', batch_size: 20, pause_ms: 20 }

test('kill -9 in the middle, then a restart: the task goes on at its checkpoint and ends as an undisturbed one', async () => {
  const undisturbed = await world()
  await startCleaner({ ...undisturbed, id: 't', payload: slowly }).end
  const expected = await filesIn(undisturbed.root)

  const { root, dataDir, queue } = await world()
  const first = startCleaner(
    { root, dataDir, queue, id: 't', payload: slowly },
    ({ progress = 0 }, child) => {
      if (progress > 400) child.kill('SIGKILL')
    },
  )
  expect(await first.end).toMatchObject({ signal: 'SIGKILL' })
  const left = await filesIn(root)
  expect(left.length, 'it was killed in the middle').toBeGreaterThan(expected.length)
  expect(left.length).toBeLessThan(FILES)

  const second = await startCleaner({ root, dataDir, queue, id: 't', payload: null }).end
  expect(second.errors).toBe('')
  expect(second.last).toMatchObject({ deliveries: 2, result: { outcome: 'done', dry_run: false } })
  expect(await filesIn(root)).toEqual(expected)
  const deleted = Number(second.last?.result?.['deleted'])
  const scanned = Number(second.last?.result?.['scanned'])
  // the counts of the batches between the last checkpoint and the kill died with it
  expect(deleted).toBeLessThanOrEqual(FILES / 2)
  expect(scanned).toBeLessThanOrEqual(FILES + 10)
  expect(scanned, 'it did not start over').toBeGreaterThan(FILES / 2)
})

test('of two workers on one target one runs and the other says locked; the lock dies with its process', async () => {
  const { root, dataDir } = await world()
  // queues of their own, so that each task runs in the process that submits it
  const queues = [await tempFolder(), await tempFolder(), await tempFolder()] as const
  let second: ReturnType<typeof startCleaner> | null = null
  const first = startCleaner(
    // slow enough for the second to start, however busy the machine is; it is killed when that one has ended
    { root, dataDir, queue: queues[0], id: 'one', payload: { ...slowly, pause_ms: 1_000 } },
    ({ progress = 0 }, child) => {
      if (progress === 0 || second !== null) return
      second = startCleaner({ root, dataDir, queue: queues[1], id: 'two', payload: slowly })
      void second.end.then(() => child.kill('SIGKILL'))
    },
  )
  await first.end
  const other = await (second as ReturnType<typeof startCleaner> | null)?.end
  expect(other?.errors).toBe('')
  expect(other?.last).toMatchObject({ result: { outcome: 'locked', deleted: 0 } })
  const third = await startCleaner({
    root,
    dataDir,
    queue: queues[2],
    id: 'three',
    payload: { ...slowly, pause_ms: 0 },
  }).end
  expect(third.last).toMatchObject({ result: { outcome: 'done' } })
})
