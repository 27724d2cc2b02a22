/**
 * The deployed service over HTTP while system calls on its queue's files fail (strace injects EIO and ENOSPC), its disk fills, another program holds the
 * file. Nothing that was answered 202 is lost; after an I/O error nothing is answered 202 any more and the process ends with 74.
 */
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { inject, type InjectOptions } from '../inject.ts'
import type { Lab } from '../lab.ts'
import {
  allSucceed,
  kindsOf,
  onlyThese,
  startSubmitters,
  submit,
  withoutRetryAfter,
  type Submitted,
  type Submitters,
} from '../service-load.ts'
import { startService, type Service } from '../service-process.ts'
import { tryCase, type Case, type Suite } from '../suite.ts'
import { canMount, onDisk } from './faults.ts'
import { waitUntil } from './lease.ts'

const STORE_FAULT = 74
const WARM = 30
const MEBIBYTE = 1024 * 1024
const SYNCS = 'fsync,fdatasync'

type Answers = Record<string, Record<string, number>>
type Note = (submits: readonly Submitted[]) => void
type Trial = (lab: Lab, note: Note) => Promise<string[]>

const TRIALS: readonly (readonly [name: string, trial: Trial])[] = [
  ['EIO at a read beside submits', unreadable],
  ['EIO once at a sync of the log', ioError({ suffix: '-wal', calls: SYNCS, once: true })],
  ['EIO once at a write of the log', ioError({ suffix: '-wal', calls: 'pwrite64', once: true })],
  ['EIO at each sync of the log', ioError({ suffix: '-wal', calls: SYNCS, once: false })],
  ['EIO at reads of the log', ioError({ suffix: '-wal', calls: 'pread64', once: false })],
  ['ENOSPC at each write of the log, for a while', noRoom],
  ['another program holds the write lock', lockedOut],
]

export const serviceFaults: Suite = async ({ size, lab, note }) => {
  const times = size === 'ci' ? 1 : 20
  const answers: Answers = {}
  const cases: Case[] = []
  const trials = canMount(lab) ? [...TRIALS, ['a disk below its reserve', belowReserve] as const] : TRIALS
  const left = Array.from({ length: times }, () => trials).flat()
  const lane = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const [name, trial] = next
      const add = (submits: readonly Submitted[]) => {
        const sum = (answers[name] ??= {})
        for (const [kind, n] of Object.entries(kindsOf(submits))) sum[kind] = (sum[kind] ?? 0) + n
      }
      const tried = await tryCase(name, () => trial(lab, add))
      note(`service-faults, ${name}: ${tried.violations.length === 0 ? 'ok' : 'VIOLATED'}`)
      cases.push(tried)
    }
  }
  // starting and waiting is most of a trial
  await Promise.all([lane(), lane(), lane()])
  return { counts: { tried: cases.length, answers }, cases }
}

function load(service: Service, ms = 20, lanes = 4) {
  return startSubmitters(service, { lanes, pauseMs: 20, payload: (n) => ({ text: `task ${n}`, ms }) })
}

type Fault = Pick<InjectOptions, 'calls' | 'once'> & { readonly suffix: string }

function ioError({ suffix, calls, once }: Fault): Trial {
  return async (lab, note) => {
    const folder = lab.folder('service')
    const service = await startService({ folder })
    const submitters = load(service)
    try {
      await waitUntil(() => submitters.accepted().length >= WARM)
      const file = `${service.database}${suffix}`
      const trace = join(folder, 'injected')
      const injection = await inject({ pid: service.pid, file, calls, error: 'EIO', once, trace })
      if (calls === 'pread64') touch(service.database)
      await waitUntil(() => service.hasEnded() || injection.count() > 50)
      const wrong = await endOf(service)
      await submitters.stop()
      await injection.end()
      note(submitters.all)
      wrong.push(
        ...acknowledgedAfter(injection.firstAt(), submitters.all),
        ...withoutRetryAfter(submitters.all),
      )
      return [...wrong, ...(await survivors(folder, submitters))]
    } finally {
      service.signal('SIGKILL')
      await submitters.stop()
    }
  }
}

/** A page that is no longer in memory cannot be read. What was committed beside the read is answered, what comes after it is refused. */
async function unreadable(lab: Lab, note: Note): Promise<string[]> {
  const folder = lab.folder('service')
  const service = await startService({ folder })
  // so many that the reads share their batches with some of them
  const submitters = load(service, 0, 24)
  try {
    const bodies = Array.from({ length: 60 }, (_, n) => ({
      id: `far-${n}`,
      type: 'work',
      payload: { text: 'x'.repeat(1_000_000) },
      delay: '1h',
    }))
    for (const body of bodies) await service.call('POST', '/tasks', body)
    const trace = join(folder, 'injected')
    const file = service.database
    const injection = await inject({
      pid: service.pid,
      file,
      calls: 'pread64',
      error: 'EIO',
      once: false,
      trace,
    })
    for (const { id } of bodies) service.call('GET', `/tasks/${id}`).catch(() => null)
    const wrong = await endOf(service)
    await submitters.stop()
    await injection.end()
    note(submitters.all)
    wrong.push(...withoutRetryAfter(submitters.all), ...onlyThese(submitters.all, [0, 202, 503]))
    if (!submitters.all.some(({ code }) => code === 'store_failed'))
      wrong.push('nobody was answered store_failed: the harness tested nothing')
    return [...wrong, ...(await survivors(folder, submitters))]
  } finally {
    service.signal('SIGKILL')
    await submitters.stop()
  }
}

/** Another program's write empties the page cache of all others. */
function touch(database: string): void {
  const db = new DatabaseSync(database, { timeout: 5000 })
  db.exec(`CREATE TABLE touched (x); DROP TABLE touched`)
  db.close()
}

async function endOf(service: Service): Promise<string[]> {
  await waitUntil(() => service.hasEnded(), 20_000).catch(() => service.signal('SIGKILL'))
  const { code, signal } = await service.exited
  const wrong = code === STORE_FAULT ? [] : [`P1 it ended with ${code ?? signal}, expected ${STORE_FAULT}`]
  if (!service.log().some(({ event }) => event === 'store_failed')) wrong.push('no line store_failed')
  return wrong
}

function acknowledgedAfter(faultAt: number | null, all: readonly Submitted[]): string[] {
  if (faultAt === null) return ['strace made no call fail: the harness tested nothing']
  const late = all.filter(({ status, sentAt }) => status === 202 && sentAt > faultAt)
  return late.length === 0 ? [] : [`P1 ${late.length} submits sent after the error were answered 202`]
}

/** After a restart every accepted task is run; what was answered with `503` is sent again with the id that the answer named. */
async function survivors(folder: string, submitters: Submitters): Promise<string[]> {
  const service = await startService({ folder })
  const accepted = submitters.accepted()
  const unknown = submitters.all.filter(({ code }) => code === 'store_failed' || code === 'outcome_unknown')
  try {
    const unanswered = submitters.all.filter(({ status }) => status === 0).length
    const wrong =
      unknown.length + unanswered > 0 ? [] : ['no submit met the error: the harness tested nothing']
    for (const { id, code, payload } of unknown) {
      if (id === null) wrong.push(`P1 503 ${code} names no id to send it again with`)
      const again = await service.call('POST', '/tasks', {
        type: 'work',
        payload,
        ...(id !== null && { id }),
      })
      if (again.status !== 200 && again.status !== 202)
        wrong.push(`P6 sent again: ${JSON.stringify(again.body)}`)
    }
    const named = unknown.flatMap(({ id }) => (id === null ? [] : [id]))
    return [...wrong, ...(await allSucceed(service, [...accepted, ...named]))]
  } finally {
    await service.stop()
  }
}

/** Submits are refused, what runs goes on, and ends well once there is room. */
async function noRoom(lab: Lab, note: Note): Promise<string[]> {
  const folder = lab.folder('service')
  const service = await startService({ folder })
  const submitters = load(service, 200)
  try {
    await waitUntil(() => submitters.accepted().length >= WARM)
    const trace = join(folder, 'injected')
    const file = `${service.database}-wal`
    const injection = await inject({
      pid: service.pid,
      file,
      calls: 'pwrite64',
      error: 'ENOSPC',
      once: false,
      trace,
    })
    await waitUntil(() => submitters.all.filter(({ status }) => status === 507).length >= WARM)
    await injection.end()
    const before = submitters.accepted().length
    await waitUntil(() => submitters.accepted().length >= before + WARM)
    await submitters.stop()
    note(submitters.all)
    const wrong = onlyThese(submitters.all, [202, 507])
    wrong.push(...acknowledgedBetween(submitters.all), ...(await allSucceed(service, submitters.accepted())))
    return [...wrong, ...(await stopped(service))]
  } finally {
    service.signal('SIGKILL')
    await submitters.stop()
  }
}

/** The first refusal and the last one enclose refusals only. */
function acknowledgedBetween(all: readonly Submitted[]): string[] {
  const first = all.findIndex(({ status }) => status === 507)
  const last = all.findLastIndex(({ status }) => status === 507)
  const between = all
    .slice(first, last)
    .filter(({ status, sentAt }) => status === 202 && sentAt > all[first]!.sentAt)
  return between.length === 0
    ? []
    : [`P9 ${between.length} submits were answered 202 while every write failed`]
}

async function stopped(service: Service): Promise<string[]> {
  const { code, signal } = await service.stop()
  return code === 0 ? [] : [`it ended with ${code ?? signal} after SIGTERM: ${service.errors().slice(-500)}`]
}

/** Longer than a writer waits: submits are refused and may be sent again. */
async function lockedOut(lab: Lab, note: Note): Promise<string[]> {
  const folder = lab.folder('service')
  const service = await startService({ folder, config: { limits: { lease: '3s' } } })
  const submitters = load(service)
  try {
    await waitUntil(() => submitters.accepted().length >= WARM)
    const db = new DatabaseSync(service.database, { timeout: 5000 })
    db.exec('BEGIN IMMEDIATE')
    await waitUntil(() => submitters.all.filter(({ status }) => status === 503).length >= 8)
    db.close()
    const before = submitters.accepted().length
    await waitUntil(() => submitters.accepted().length >= before + WARM)
    await submitters.stop()
    note(submitters.all)
    const wrong = [...onlyThese(submitters.all, [202, 503]), ...withoutRetryAfter(submitters.all)]
    wrong.push(...(await allSucceed(service, submitters.accepted())))
    return [...wrong, ...(await stopped(service))]
  } finally {
    service.signal('SIGKILL')
    await submitters.stop()
  }
}

const large = (n: number) => ({ text: `task ${n} ${'x'.repeat(20_000)}`, ms: 100 })

/** Less than the reserve is free, and nothing more: submits are refused, and all that waits is run to its end meanwhile. */
function belowReserve(lab: Lab, note: Note): Promise<string[]> {
  return onDisk(lab, 160, async (disk) => {
    const service = await startService({ folder: lab.folder('service'), dataDir: disk })
    const hog = join(disk, 'hog')
    try {
      const submits = await Promise.all(Array.from({ length: 60 }, (_, n) => submit(service, large(n))))
      const { bavail, bsize } = statfsSync(disk)
      writeFileSync(hog, Buffer.alloc(bavail * bsize - 40 * MEBIBYTE, 1))
      const isFull = async () => {
        submits.push(await submit(service, large(0)))
        return submits.at(-1)!.status === 507
      }
      await waitUntil(isFull)
      const refused = await Promise.all(Array.from({ length: 20 }, () => submit(service, large(0))))
      const accepted = submits.flatMap(({ status, id }) => (status === 202 && id !== null ? [id] : []))
      const wrong = [...onlyThese(refused, [507]), ...(await allSucceed(service, accepted))]
      rmSync(hog)
      const hasRoom = async () => (await submit(service, large(0))).status === 202
      await waitUntil(hasRoom)
      note([...submits, ...refused])
      return [...wrong, ...(await stopped(service))]
    } finally {
      service.signal('SIGKILL')
      await service.exited
    }
  })
}
