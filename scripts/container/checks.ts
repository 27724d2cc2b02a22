/** Runs facts one after the other, prints a line for each, and counts. */
export interface Checks {
  /** What it answers is printed behind the fact. A failure is reported, and the next fact is tried. */
  readonly check: (fact: string, run: () => Promise<string | void>) => Promise<void>
  /** The closing line; true if nothing failed. */
  readonly close: () => boolean
}

export function createChecks(): Checks {
  const count = { passed: 0, failed: 0 }
  return {
    async check(fact, run) {
      const from = performance.now()
      const seconds = () => `${((performance.now() - from) / 1_000).toFixed(1)} s`
      try {
        const detail = await run()
        count.passed++
        console.log(`ok    ${fact}${detail === undefined ? '' : `: ${detail}`} (${seconds()})`)
      } catch (error) {
        count.failed++
        console.log(
          `FAIL  ${fact} (${seconds()})\n      ${error instanceof Error ? error.message : String(error)}`,
        )
      }
    },
    close() {
      console.log(`${count.passed} passed, ${count.failed} failed`)
      return count.failed === 0
    },
  }
}
