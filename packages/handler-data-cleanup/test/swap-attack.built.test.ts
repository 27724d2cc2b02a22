import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { lstat, mkdir, readdir, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import dataCleanup from '@mcp-worker/handler-data-cleanup'
import { createLogger, createWorker, memoryQueue } from '@mcp-worker/runtime'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

const FILES = 300
/** The naive engine loses files within the first few. */
const ROUNDS = 25
const MAX_ROUNDS = 200

const names = Array.from({ length: FILES }, (_, i) => `f${i}`)

async function fill(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await Promise.all(
    names.map(async (name) => {
      await writeFile(join(folder, name), 'x')
      await utimes(join(folder, name), 1_000_000, 1_000_000)
    }),
  )
}

/** `leaf`: the folder that holds the files is swapped. `above`: the one above it, so that the path through the link ends in a real folder. */
type Variant = 'leaf' | 'above'

async function arena(variant: Variant) {
  const root = await tempFolder()
  const foreign = await tempFolder()
  const inner = variant === 'leaf' ? '' : 'inner'
  const refill = async () => {
    // through the real folder only: while it is swapped this fails, and is tried again in the next round
    await fill(join(root, 'victim', inner)).catch(() => {})
    await fill(join(foreign, inner))
  }
  await refill()
  return {
    root,
    refill,
    foreignLeft: async () => (await readdir(join(foreign, inner))).length,
    stopSwapping: await startSwapper(join(root, 'victim'), foreign),
  }
}

/** Answers how often it swapped. */
async function startSwapper(folder: string, foreign: string): Promise<() => Promise<number>> {
  const program = fileURLToPath(new URL('./swapper.fixture.ts', import.meta.url))
  const child = spawn(process.execPath, [program, folder, foreign], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const output = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await once(output, 'line')
  return async () => {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
    return Number(lines.at(-1))
  }
}

/** What everybody writes first: look at the path, then unlink the path. */
async function cleanNaively(folder: string): Promise<number> {
  let deleted = 0
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const stats = await lstat(path).catch(() => null)
    if (stats?.isDirectory()) deleted += await cleanNaively(path)
    else if (stats?.isFile() && stats.mtimeMs < Date.now() - 3_600_000)
      deleted += await unlink(path).then(
        () => 1,
        () => 0,
      )
  }
  return deleted
}

async function startCleaner(root: string): Promise<() => Promise<number>> {
  const worker = createWorker({
    plugins: [dataCleanup({ targets: { temp_files: { kind: 'files', root } } })],
    queue: memoryQueue(),
    dataDir: await tempFolder(),
    logger: createLogger({ destination: { write: () => {} } }),
  })
  await worker.start()
  onTestFinished(async () => void (await worker.stop()))
  return async () => {
    const payload = { target: 'temp_files', older_than: '1h', basis: 'mtime' } as const
    const { deleted } = await (await worker.submit('data_cleanup', payload)).result()
    return deleted
  }
}

test.each(['leaf', 'above'] as const)(
  'no foreign file is lost while another process swaps the folder (%s) for a link; a naive engine loses some',
  { timeout: 120_000 },
  async (variant) => {
    const { root, refill, foreignLeft, stopSwapping } = await arena(variant)
    let naiveLost = 0
    for (let round = 0; round < MAX_ROUNDS && naiveLost === 0; round++) {
      await cleanNaively(root)
      naiveLost += FILES - (await foreignLeft())
      await refill()
    }
    expect(naiveLost, 'the attack works on an engine that goes by paths').toBeGreaterThan(0)

    const clean = await startCleaner(root)
    let lost = 0
    let deleted = 0
    for (let round = 0; round < ROUNDS || (deleted === 0 && round < MAX_ROUNDS); round++) {
      deleted += await clean()
      lost += FILES - (await foreignLeft())
      await refill()
    }
    expect(lost).toBe(0)
    expect(deleted, 'our engine deleted what is its own').toBeGreaterThan(0)
    expect(await stopSwapping()).toBeGreaterThan(1_000)
  },
)
