/** CLOCK_MONOTONIC in milliseconds: the same for all processes of this boot. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
