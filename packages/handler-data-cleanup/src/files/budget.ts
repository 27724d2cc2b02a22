/** How much a run may delete. Null where there is no limit. */
export interface Limits {
  readonly maxFiles: number | null
  readonly maxBytes: number | null
  /** In `performance.now()` terms: at that moment the run stops. */
  readonly stopAt: number
}

export type Truncation = 'max_files' | 'max_bytes' | 'max_duration'

export interface Budget {
  /** Reserves one file; else which limit forbids it. */
  take(bytes: number): Truncation | null
  /** The file stayed after all. */
  giveBack(bytes: number): void
  isLate(): boolean
  /** It could never fit, even into an unused budget. */
  isTooLarge(bytes: number): boolean
}

/** `used`: by earlier deliveries of the same task. */
export function createBudget(
  limits: Limits,
  used: { readonly files: number; readonly bytes: number },
): Budget {
  let { files, bytes } = used
  return {
    take(more) {
      if (limits.maxFiles !== null && files >= limits.maxFiles) return 'max_files'
      if (limits.maxBytes !== null && bytes + more > limits.maxBytes) return 'max_bytes'
      files += 1
      bytes += more
      return null
    },
    giveBack(less) {
      files -= 1
      bytes -= less
    },
    isLate: () => performance.now() >= limits.stopAt,
    isTooLarge: (size) => limits.maxBytes !== null && size > limits.maxBytes,
  }
}
