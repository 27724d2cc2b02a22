/** What a disk can do: full, read-only, another file where the queue should be, flipped bits. No acknowledged task is lost, and the end is clear. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createArena, type Arena } from '../arena.ts'
import { checkHistory } from '../check.ts'
import type { Lab } from '../lab.ts'
import { createRandom, seedOf, type Random } from '../random.ts'
import { tryCase, type Case, type Suite } from '../suite.ts'
import { workOf } from '../work.ts'
import type { WorkerProcess } from '../worker-process.ts'
import { started } from './lease.ts'

const MAX_CRASHES = 3
const MEBIBYTE = 1024 * 1024
/** A checkpoint copies the WAL, 16 MiB and one transaction, into the main file before the WAL's room is free again: less than twice that is no reserve. */
const RESERVE_BYTES = 40 * MEBIBYTE

interface Figures {
  accepted_until_full: number[]
  flipped: number
  reported_corrupt: number
  skipped: string[]
}

export const faults: Suite = async ({ seed, size, lab, note }) => {
  const times = size === 'ci' ? 1 : 20
  const figures: Figures = { accepted_until_full: [], flipped: 0, reported_corrupt: 0, skipped: [] }
  const cases: Case[] = []
  const mountable = canMount(lab)
  if (!mountable)
    figures.skipped.push('full disk, read-only disk: a tmpfs cannot be mounted here (needs root)')
  for (let round = 0; round < times; round++) {
    const random = createRandom(seedOf(seed, `faults ${round}`))
    const trials = [
      ...(mountable
        ? [
            {
              name: 'below the reserve submits are refused, the rest is run',
              trial: () => reserve(lab, figures),
            },
            { name: 'a full disk refuses submits and loses nothing', trial: () => fullDisk(lab) },
            { name: 'a read-only disk refuses the start', trial: () => readOnly(lab) },
          ]
        : []),
      {
        name: 'a file that is no database refuses the start',
        trial: () => refused(lab, garbage(random), 'store_failed', 74),
      },
      {
        name: 'another program’s database refuses the start',
        trial: () => refused(lab, foreign, 'store_failed', 74),
      },
      { name: 'a newer schema refuses the start', trial: () => refused(lab, newer, 'store_newer', 78) },
      {
        name: 'flipped bits in payloads are reported, never run',
        trial: () => flipBits(lab, random, figures),
      },
    ]
    for (const { name, trial } of trials) {
      const tried = await tryCase(name, trial)
      note(`faults, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
      cases.push(tried)
    }
  }
  return { counts: { ...figures }, cases }
}

// ── disks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export async function onDisk(
  lab: Lab,
  mebibytes: number,
  trial: (disk: string) => Promise<string[]>,
): Promise<string[]> {
  const disk = lab.folder('disk')
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', disk])
  try {
    return await trial(disk)
  } finally {
    execFileSync('umount', [disk])
  }
}

export function canMount(lab: Lab): boolean {
  const disk = lab.folder('disk')
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'ignore' })
    execFileSync('umount', [disk])
    return true
  } catch {
    return false
  }
}

/** Submits until one is refused. Answers how many were accepted, and the refusal. */
async function fill(worker: WorkerProcess, most: number): Promise<{ accepted: number; refusal: string }> {
  for (let accepted = 0; accepted < most; accepted++) {
    const payload = workOf(`${accepted} ${'x'.repeat(200_000)}`)
    const refusal = await worker.ask({ ask: 'submit', type: 'quick', payload, options: {} }).then(
      () => null,
      (error: unknown) => String(error),
    )
    if (refusal !== null) return { accepted, refusal }
  }
  return { accepted: most, refusal: 'none' }
}

async function reserve(lab: Lab, figures: Figures): Promise<string[]> {
  return onDisk(lab, 96, async (disk) => {
    const arena = createArena(lab, lab.folder('reserve'), {
      maxCrashes: MAX_CRASHES,
      queueDir: disk,
      reserveBytes: RESERVE_BYTES,
    })
    try {
      const submitter = await started(arena, 'submitter', { role: 'api' })
      const { accepted, refusal } = await fill(submitter, 5000)
      figures.accepted_until_full.push(accepted)
      const wrong = refusal.includes('storage_full')
        ? []
        : [`P9 expected storage_full, got ${refusal} after ${accepted} tasks`]
      if (accepted < 20) wrong.push(`only ${accepted} tasks fitted: the harness tested nothing`)
      await arena.stop(submitter)
      return [...wrong, ...(await allSucceed(arena))]
    } finally {
      await arena.dispose()
    }
  })
}

/** Another program takes all the room; the worker goes on when it is back. */
async function fullDisk(lab: Lab): Promise<string[]> {
  return onDisk(lab, 96, async (disk) => {
    const arena = createArena(lab, lab.folder('full'), {
      maxCrashes: MAX_CRASHES,
      queueDir: disk,
      reserveBytes: 0,
    })
    try {
      const worker = await started(arena, 'worker')
      const before = await fill(worker, 20)
      const hog = join(disk, 'hog')
      takeAllRoom(hog)
      const { refusal } = await fill(worker, 5000)
      const wrong = refusal.includes('storage_full')
        ? []
        : [`P9 on a full disk expected storage_full, got ${refusal}`]
      rmSync(hog)
      const after = await fill(worker, 5)
      if (before.accepted !== 20 || after.accepted !== 5) wrong.push(`P9 with room again: ${after.refusal}`)
      await arena.stop(worker)
      return [...wrong, ...(await allSucceed(arena))]
    } finally {
      await arena.dispose()
    }
  })
}

function takeAllRoom(file: string): void {
  writeFileSync(file, '')
  for (const piece of [MEBIBYTE, 4096]) {
    const bytes = Buffer.alloc(piece, 1)
    try {
      for (;;) writeFileSync(file, bytes, { flag: 'a' })
    } catch {
      // full, to within a piece of this size
    }
  }
}

async function allSucceed(arena: Arena): Promise<string[]> {
  const tasks = await arena.drain()
  const others = tasks
    .filter(({ status }) => status !== 'succeeded')
    .map(({ id, status }) => `P1 ${id}: ${status}`)
  return [...others, ...checkHistory(arena, tasks, { maxCrashes: MAX_CRASHES })]
}

async function readOnly(lab: Lab): Promise<string[]> {
  return onDisk(lab, 8, async (disk) => {
    execFileSync('mount', ['-o', 'remount,ro', disk])
    return refusedStart(
      createArena(lab, lab.folder('read-only'), { queueDir: disk }),
      ['store_unavailable', 'store_failed'],
      [74, 75, 78],
    )
  })
}

// ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function refused(
  lab: Lab,
  spoil: (file: string) => void,
  code: string,
  exit: number,
): Promise<string[]> {
  const arena = createArena(lab, lab.folder('refused'))
  mkdirSync(arena.dir, { recursive: true })
  spoil(arena.database)
  const before = readFileSync(arena.database)
  const wrong = await refusedStart(arena, [code], [exit])
  if (!readFileSync(arena.database).equals(before)) wrong.push('the refused file was changed')
  return wrong
}

async function refusedStart(
  arena: Arena,
  codes: readonly string[],
  exits: readonly number[],
): Promise<string[]> {
  try {
    const worker = arena.spawn('refused')
    if ((await worker.ready) !== null) return ['it started']
    const { code } = await worker.exited
    const refusal = worker.refusal()
    const wrong = codes.includes(refusal?.code ?? '')
      ? []
      : [`expected a refusal with ${codes.join(' or ')}, got ${JSON.stringify(refusal)}`]
    if (!exits.includes(code ?? -1))
      wrong.push(`exit ${code}, expected ${exits.join(' or ')}: ${JSON.stringify(refusal)}`)
    return wrong
  } finally {
    await arena.dispose()
  }
}

const garbage = (random: Random) => (file: string) =>
  writeFileSync(file, Buffer.from(Array.from({ length: 8192 }, () => random.int(0, 255))))

function foreign(file: string): void {
  const db = new DatabaseSync(file)
  db.exec('CREATE TABLE customers (id INTEGER PRIMARY KEY) STRICT')
  db.close()
}

function newer(file: string): void {
  const db = new DatabaseSync(file)
  db.exec(
    'CREATE TABLE tasks (seq INTEGER PRIMARY KEY) STRICT; PRAGMA application_id = 1835234167; PRAGMA user_version = 99',
  )
  db.close()
}

// ── bits ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const TASKS = 300
const FLIPS = 200

/** One bit in each of 200 stored payloads of 300, where SQLite does not look. */
async function flipBits(lab: Lab, random: Random, figures: Figures): Promise<string[]> {
  const arena = createArena(lab, lab.folder('flips'), { maxCrashes: MAX_CRASHES })
  try {
    const submitter = await started(arena, 'submitter', { role: 'api' })
    const texts = Array.from(
      { length: TASKS },
      (_, n) => `payload-${String(n).padStart(4, '0')}-${'abcdefgh'.repeat(6)}`,
    )
    const submissions = texts.map((text) => ({ type: 'quick', payload: workOf(text) }))
    await submitter.ask({ ask: 'submitMany', submissions })
    await arena.stop(submitter)
    const flipped = flip(arena.database, texts.slice(0, FLIPS), random)
    const tasks = await arena.drain()
    const corrupt = tasks.filter(({ failureReason }) => failureReason === 'corrupt')
    figures.flipped += flipped
    figures.reported_corrupt += corrupt.length
    const wrong =
      flipped === FLIPS ? [] : [`only ${flipped} payloads were found in the file: the harness tested nothing`]
    const begun = new Set(arena.ledger().flatMap((line) => (line.e === 'start' ? [line.id] : [])))
    for (const line of arena.ledger())
      if (line.e === 'wrong') wrong.push(`P1 ${line.id}: a changed payload was run`)
    for (const { id } of corrupt) if (begun.has(id)) wrong.push(`P1 ${id}: reported corrupt, yet it was run`)
    const intact = tasks.filter(({ status }) => status === 'succeeded').length
    if (corrupt.length !== FLIPS || intact !== TASKS - FLIPS) {
      wrong.push(
        `P1 of ${FLIPS} flipped ${corrupt.length} were reported corrupt; ${intact} of ${TASKS - FLIPS} others succeeded`,
      )
    }
    return wrong
  } finally {
    await arena.dispose()
  }
}

/** The stop has brought everything from the WAL into the main file. */
function flip(database: string, texts: readonly string[], random: Random): number {
  const bytes = readFileSync(database)
  let flipped = 0
  for (const text of texts) {
    // within the letters, past the number; in every copy, for pages that were split leave old ones behind
    const offset = 'payload-0000-'.length + random.int(0, 40)
    let copies = 0
    for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + text.length)) {
      bytes[at + offset] = bytes[at + offset]! ^ 1
      copies++
    }
    if (copies > 0) flipped++
  }
  writeFileSync(database, bytes)
  return flipped
}
