/** A steady stream of quick tasks beside something bad: P10 says that they keep nine tenths of their rate. */
export const CANARY_EVERY_MS = 25

const OFFERED = 1000 / CANARY_EVERY_MS
const LEAST_SHARE = 0.9

/**
 * What is wrong with their rates a second, by themselves and beside the misdeed. More than are offered end where those of a stall before are made up for: that is
 * no rate to keep.
 */
export function judgeCanaries(alone: number, beside: number): string[] {
  const wrong: string[] = []
  if (beside < LEAST_SHARE * Math.min(alone, OFFERED))
    wrong.push(`P10 the canaries fell from ${alone} to ${beside} a second`)
  if (alone < 0.5 * OFFERED)
    wrong.push(`canaries ran at ${alone} a second by themselves: the machine is too loaded to tell`)
  return wrong
}
