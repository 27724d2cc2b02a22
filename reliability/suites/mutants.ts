/**
 * Is the harness any good? One thing at a time is broken in a copy of the built runtime, and the suite that stands for it must turn red, for the
 * right reason. A pattern that is no longer in the build fails loudly.
 */
import { createLab, type Patch } from '../lab.ts'
import { tryCase, type Case, type Suite } from '../suite.ts'
import { stepOnce } from './clock.ts'
import { killAtPoints, killInMigration } from './kill-at-points.ts'
import { killAtRandom, type KillAround } from './kill-at-random.ts'
import { freezeOnce, runLongOnce } from './lease.ts'
import { cutOnce } from './power.ts'
import { recoverOften } from './recovery.ts'
import { stopOnce, stopStubbornOnce } from './shutdown.ts'
import { blockInline } from './spin-inline.ts'
import { misbehave, MISDEEDS } from './spin-thread.ts'

type Trial = (around: KillAround) => Promise<readonly string[]>

interface Mutant {
  readonly name: string
  readonly patches: readonly Patch[]
  readonly trial: Trial
  /** What one of the violations must say. */
  readonly red: RegExp
  /** Quick enough for every run. */
  readonly ci: boolean
}

const load: Trial = (around) => killAtRandom({ ...around, round: 0, kills: 4, workers: 1 })
const recovery =
  (trials: number): Trial =>
  (around) =>
    recoverOften(around, trials)

const MUTANTS: readonly Mutant[] = [
  {
    name: 'answers before the commit',
    patches: [
      {
        file: 'sqlite/transact.js',
        find: 'begin.run();',
        replace: 'if (db.isTransaction) commit.run(); begin.run();',
      },
      {
        file: 'sqlite/transact.js',
        find: 'crashPoint("before_commit");\n      committing = true;\n      commit.run();',
        replace:
          'setTimeout(() => { if (db.isTransaction) { crashPoint("before_commit"); commit.run(); } }, 1);',
      },
    ],
    trial: (around) => killAtPoints({ ...around, point: 'before_commit', kills: 10 }),
    red: /^P1 .*acknowledged, and gone/,
    ci: true,
  },
  {
    name: 'commits are not synced',
    patches: [
      {
        file: 'sqlite/schema.js',
        find: '["synchronous", durability === "power" ? "FULL" : "NORMAL", durability === "power" ? 2 : 1]',
        replace: '["synchronous", "NORMAL", 1]',
      },
    ],
    trial: ({ lab, seed }) => cutOnce(lab, seed),
    red: /^P1 cut .*acknowledged, and gone/,
    ci: false,
  },
  {
    name: 'a settle does not ask for the fence',
    patches: [
      {
        file: 'sqlite/settle.js',
        find: 'seq = ? AND deliveries = ? AND',
        replace: 'seq = ? AND ? IS NOT NULL AND',
      },
    ],
    trial: ({ lab }) => freezeOnce(lab),
    red: /^P[345] /,
    ci: true,
  },
  {
    name: 'leases are not renewed',
    patches: [
      {
        file: 'keeper/thread.js',
        find: 'fences.length === 0 || await areRenewed(fences)',
        replace: 'fences.length >= 0',
      },
    ],
    trial: ({ lab }) => runLongOnce(lab),
    red: /^P4 /,
    ci: true,
  },
  {
    name: 'who is alive counts as dead',
    patches: [
      { file: 'sqlite/owners.js', find: 'if (!existsSync(file)) return false;', replace: 'return false;' },
    ],
    trial: ({ lab }) => runLongOnce(lab),
    red: /^P4 /,
    ci: true,
  },
  {
    name: 'who is dead counts as alive',
    patches: [
      { file: 'sqlite/owners.js', find: 'if (!existsSync(file)) return false;', replace: 'return true;' },
    ],
    trial: recovery(1),
    red: /ran again \d+ ms after the restart/,
    ci: false,
  },
  {
    name: 'suspects run beside each other',
    patches: [
      {
        file: 'decide.js',
        find: '{ settlement: { kind: "release" }, suspect: true }',
        replace: '{ settlement: { kind: "release" }, suspect: false }',
      },
    ],
    trial: recovery(2),
    red: /suspects ran beside each other/,
    ci: true,
  },
  {
    name: 'a crash is charged to all',
    patches: [{ file: 'decide.js', find: 'if (!aloneInOwner) return', replace: 'if (false) return' }],
    trial: recovery(2),
    red: /charged for a crash of three/,
    ci: false,
  },
  {
    name: 'a release is charged as an attempt',
    patches: [
      { file: 'sqlite/settle.js', find: 'charge: { releases: 1 }', replace: 'charge: { attempts: 1 }' },
    ],
    trial: ({ lab, seed }) => stopStubbornOnce(lab, seed),
    red: /^P8 .*0 releases/,
    ci: false,
  },
  {
    name: 'the result is stored with a blank more',
    patches: [
      { file: 'sqlite/settle.js', find: 'succeed.run(result,', replace: 'succeed.run(result + " ",' },
    ],
    trial: load,
    red: /^P5 .*not what the handler returned/,
    ci: true,
  },
  {
    name: 'idempotency keys are forgotten',
    patches: [{ file: 'sqlite/accept.js', find: '    rememberKey(task, now);', replace: '' }],
    trial: load,
    red: /^P6 .*two tasks/,
    ci: false,
  },
  {
    name: 'a cancel changes nothing',
    patches: [{ file: 'sqlite/steer.js', find: 'cancelNow.run(clock.wall(), task.seq);', replace: '' }],
    trial: (around) => killAtRandom({ ...around, round: 0, kills: 12, workers: 1 }),
    red: /^P7 |is not the number of its tasks/,
    ci: false,
  },
  {
    name: 'checkpoints are not stored',
    patches: [
      {
        file: 'sqlite/steer.js',
        find: 'if (checkpoint !== void 0) writeCheckpoint',
        replace: 'if (false) writeCheckpoint',
      },
    ],
    trial: load,
    red: /^P1 .*checkpoint|tasks are left/,
    ci: false,
  },
  {
    name: 'counts are not written',
    patches: [{ file: 'sqlite/transact.js', find: 'tally.flush();', replace: 'tally.forget();' }],
    trial: load,
    red: /^P2 /,
    ci: false,
  },
  {
    name: 'a migration outside of a transaction',
    patches: [
      { file: 'sqlite/schema.js', find: 'db.exec("BEGIN IMMEDIATE");', replace: '' },
      { file: 'sqlite/schema.js', find: 'db.exec("COMMIT");', replace: '' },
    ],
    trial: (around) => killInMigration({ ...around, kills: 1 }),
    red: /ended by itself|did not start/,
    ci: false,
  },
  {
    name: 'the watchdog lets nobody go',
    patches: [
      {
        file: 'sqlite/blocked.js',
        find: 'store.settle(fence, { kind: "release" }, inline);',
        replace: 'void fence;',
      },
    ],
    trial: ({ lab }) => blockInline(lab, { before: 0, beside: 1, leaseMs: 30_000 }, []),
    red: /^P10 .*neighbour/,
    ci: true,
  },
  {
    name: 'leases go by the wall clock',
    patches: [{ file: 'clock.js', find: 'Number(process.hrtime.bigint()) / 1e6', replace: 'Date.now()' }],
    trial: ({ lab, seed }) => stepOnce(lab, seed),
    red: /^P4 .*(lost|recovered|delivered)/,
    ci: false,
  },
  {
    name: 'a shutdown aborts nobody',
    patches: [{ file: 'in-hand.js', find: 'one.deadline.abort(reason);', replace: 'void one;' }],
    trial: ({ lab, seed }) => stopOnce(lab, seed),
    red: /^P8 .*exit 70/,
    ci: false,
  },
  {
    name: 'a computing thread is not killed',
    patches: [
      { file: 'host/thread-task.js', find: 'timer = setTimeout(() => void kill(why), ms);', replace: '' },
    ],
    trial: ({ lab }) => misbehave(lab, MISDEEDS[0]!, []),
    red: /in vain|its thread ended/,
    ci: false,
  },
]

export const mutants: Suite = async ({ seed, size, dist, note }) => {
  const tried = MUTANTS.filter(({ ci }) => ci || size === 'release')
  const cases: Case[] = []
  const caughtBy: Record<string, string> = {}
  for (const mutant of tried) {
    const verdict = await tryCase(`mutant: ${mutant.name}`, async () => {
      const violations = await violationsOf(mutant, seed, dist)
      const fitting = violations.find((violation) => mutant.red.test(violation.replace(/^Error: /, '')))
      if (fitting !== undefined) caughtBy[mutant.name] = fitting.slice(0, 120)
      const got = JSON.stringify(violations.slice(0, 3))
      return fitting === undefined
        ? [`survived: expected a violation like ${String(mutant.red)}, got ${got}`]
        : []
    })
    cases.push(verdict)
    note(`mutants, ${mutant.name}: ${caughtBy[mutant.name] ?? verdict.violations.join(' ')}`)
  }
  return { counts: { mutants: tried.length, caught_by: caughtBy }, cases }
}

/** What the suite finds in a runtime that is broken so. Rejects where the mutant cannot be made. */
async function violationsOf({ name, patches, trial }: Mutant, seed: number, dist: string | null) {
  const lab = createLab({ ...(dist === null ? {} : { dist }), patches })
  try {
    const around = { seed, lab, counts: { kills: 0, starts: 0, tasks: 0, runs: 0 } }
    const { violations } = await tryCase(name, () => trial(around))
    return violations
  } finally {
    lab.dispose()
  }
}
