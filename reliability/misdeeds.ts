/** What handlers do wrong without dying of it. */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const FLOOD_LINES = 50_000

const spring = () => {
  throw new Error('a trap')
}

export const MISDEEDS_ALIVE: Readonly<Record<string, () => unknown>> = {
  /** Ignores its signal. */
  deaf: () => sleep(60_000, undefined, { ref: false }),
  text: () => {
    // oxlint-disable-next-line typescript/only-throw-error -- the misdeed
    throw 'a text'
  },
  nothing: () => {
    // oxlint-disable-next-line typescript/only-throw-error -- the misdeed
    throw undefined
  },
  /** Whoever looks into what was thrown meets a trap. */
  trap: () => {
    const trap: object = new Proxy({}, { has: spring, get: spring })
    throw trap
  },
  circular: () => {
    const result: Record<string, unknown> = {}
    result['self'] = result
    return result
  },
  bigint: () => ({ n: 1n }),
  huge: () => 'x'.repeat(1024 * 1024),
}

/** Only in a thread: in the process itself they are the log's. */
export const FLOODS: Readonly<Record<string, () => unknown>> = {
  stdout: async () => {
    for (let n = 0; n < FLOOD_LINES; n++) {
      console.log(`line ${n} of a handler that talks too much`)
      if (n % 500 === 0) await sleep(1)
    }
    return null
  },
  /** Past the thread's own streams, to the file itself. */
  stderr: () => {
    for (let n = 0; n < 1000; n++) writeSync(2, 'x\n')
    return null
  },
}
