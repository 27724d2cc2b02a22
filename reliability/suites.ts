import type { Suite } from './suite.ts'
import { clock } from './suites/clock.ts'
import { faults } from './suites/faults.ts'
import { handlers } from './suites/handlers.ts'
import { input } from './suites/input.ts'
import { kill } from './suites/kill.ts'
import { lease } from './suites/lease.ts'
import { model } from './suites/model.ts'
import { mutants } from './suites/mutants.ts'
import { power } from './suites/power.ts'
import { recovery } from './suites/recovery.ts'
import { serviceFaults } from './suites/service-faults.ts'
import { pressure } from './suites/pressure.ts'
import { shutdown } from './suites/shutdown.ts'
import { soak } from './suites/soak.ts'
import { spin } from './suites/spin.ts'

interface NamedSuite {
  /** What it does, for the docs and for `--help`. */
  readonly about: string
  readonly run: Suite
}

// prettier-ignore
export const SUITES: Readonly<Record<string, NamedSuite>> = {
  kill: { run: kill, about: '`kill -9` of workers and a submitter, at random and at named points in the code' },
  recovery: { run: recovery, about: 'how soon what a killed worker had in hand runs again' },
  power: { run: power, about: 'the power is cut at any moment of a recorded worker: what was synced stays, any part of the rest, torn at sectors' },
  lease: { run: lease, about: 'a frozen worker, and work longer than a lease' },
  shutdown: { run: shutdown, about: 'SIGTERM at any moment of load, over and over' },
  spin: { run: spin, about: 'loops, regular expressions, memory, exits, rejections, in threads and inline' },
  faults: { run: faults, about: 'full and read-only disks, damaged files, flipped bits' },
  'service-faults': { run: serviceFaults, about: 'EIO and ENOSPC injected into the running service, over HTTP' },
  clock: { run: clock, about: 'the wall clock steps by hours and days under load' },
  input: { run: input, about: 'fuzzed bodies, broken requests, slow clients' },
  pressure: { run: pressure, about: 'five times the drain rate' },
  handlers: { run: handlers, about: 'every known misdeed of a handler, mixed' },
  model: { run: model, about: 'random lives of two owners against a pure model' },
  soak: { run: soak, about: 'mixed load for hours, a kill every 30 seconds' },
  mutants: { run: mutants, about: 'one thing of the runtime broken at a time: a suite must turn red' },
}
