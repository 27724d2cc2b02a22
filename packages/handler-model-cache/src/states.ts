/**
 * The life of a model in this replica.
 *
 * ```
 *            request             room is reserved        loaded            warmed
 *  absent ───────────► queued ───────────────► loading ────────► warming ────────► ready
 *    ▲ ▲                 │ ▲                      │                 │              │  ▲
 *    │ └── cancelled by all, permanent error ─────┴─────────────────┤       evict, │  │ request
 *    │                   │ └─ asked again ─ failed ◄── retryable ───┘       idle   ▼  │ (revived)
 *    │                   │                  (backoff)    error               draining ┘
 *    │                   │                                                        │ last use ended
 *    └──────────────── memory is back ─────────────────── unloading ◄─────────────┘
 * ```
 *
 * - **absent**: nothing in memory, no bytes counted. What is remembered: how often it is asked for, how long its load took, what it measured.
 * - **queued**: somebody waits for it, and it waits for room. No bytes are counted yet; nothing is loaded before they are.
 * - **loading**: its bytes are reserved; the engine's one load is under way and everybody else joins it. When the last one who waits gives up,
 *   the load is aborted, and its bytes are free once the engine says that nothing is left.
 * - **warming**: in memory, its measured size in place of the estimate; the warmup runs. Nobody is given it yet.
 * - **ready**: given to whoever asks. Uses are counted; in use or pinned it is never chosen for eviction.
 * - **draining**: to be unloaded as soon as its last use ends. A request revives it (`ready`), unless the eviction was forced: then the request
 *   waits and loads it again afterwards.
 * - **unloading**: the engine gives the memory back; the bytes stay counted until it says so. A request waits and loads it again afterwards.
 * - **failed**: the last load failed with an error that may pass. Requests before the backoff's end get that error, with the time to wait. A wait for
 *   room that ran out is no failed load: the model is absent then, and the next request stands in the line at once.
 *
 * From warming, ready and draining a model that its engine lost (`MODEL_GONE`) goes to absent at once: its bytes are free, who waits is told.
 */
export type ModelState =
  | 'absent'
  | 'queued'
  | 'loading'
  | 'warming'
  | 'ready'
  | 'draining'
  | 'unloading'
  | 'failed'

export const MODEL_STATES: readonly ModelState[] = [
  'absent',
  'queued',
  'loading',
  'warming',
  'ready',
  'draining',
  'unloading',
  'failed',
]

/** What may follow what; everything else is a defect of the cache. */
const NEXT: Readonly<Record<ModelState, readonly ModelState[]>> = {
  absent: ['queued'],
  queued: ['loading', 'absent', 'failed'],
  // back to queued: out of memory, or the load was cancelled and somebody asked again
  loading: ['warming', 'queued', 'unloading', 'absent', 'failed'],
  warming: ['ready', 'unloading', 'absent'],
  ready: ['draining', 'absent'],
  draining: ['unloading', 'ready', 'absent'],
  unloading: ['absent', 'queued', 'failed'],
  failed: ['queued', 'absent'],
}

export function canFollow(from: ModelState, to: ModelState): boolean {
  return NEXT[from].includes(to)
}
