import type { NewTask, Settlement, TaskStatus } from '../../task.js'

/**
 * The queue as the contract describes it, in its plainest form: a list of tasks and what each step makes of them. No indexes, no leases, no
 * time but the one that the test gives. A driver must agree with it after every command.
 */
export interface ModelTask {
  readonly given: NewTask
  /** Order of acceptance. */
  readonly seq: number
  status: TaskStatus
  /** When it became or becomes ready. The test cannot read the driver's clock at the very moment: somewhere between the two. */
  ready: Span
  attempts: number
  crashes: number
  releases: number
  snoozes: number
  deliveries: number
  base: { readonly attempts: number; readonly crashes: number }
  suspect: boolean
  cancelRequested: boolean
  replayed: boolean
  checkpoint: string | null
  result: string | null
  errorCode: string | null
  failureReason: string | null
  /** Who has it in hand, while it runs. */
  holder: { readonly owner: number; readonly fence: string } | null
  /** Deliveries that ended succeeded or cancelled: they are in no other counter. */
  ended: number
}

/** Wall milliseconds, both ends included. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Model {
  readonly tasks: ModelTask[]
  readonly paused: Set<string>
  /** Every fence that was ever given. */
  readonly fences: Set<string>
}

export function createModel(): Model {
  return { tasks: [], paused: new Set(), fences: new Set() }
}

const FINAL: ReadonlySet<TaskStatus> = new Set(['succeeded', 'failed', 'cancelled'])

export function isModelFinal(task: ModelTask): boolean {
  return FINAL.has(task.status)
}

const UNTRIED = {
  attempts: 0,
  crashes: 0,
  releases: 0,
  snoozes: 0,
  deliveries: 0,
  ended: 0,
  base: { attempts: 0, crashes: 0 },
  suspect: false,
  cancelRequested: false,
  replayed: false,
  checkpoint: null,
  result: null,
  errorCode: null,
  failureReason: null,
  holder: null,
}

export function acceptInModel(model: Model, given: NewTask, at: Span): void {
  const scheduled = given.runAt > at.to
  model.tasks.push({
    given,
    seq: model.tasks.length,
    status: scheduled ? 'scheduled' : 'queued',
    ready: scheduled ? { from: given.runAt, to: given.runAt } : at,
    ...UNTRIED,
  })
}

export function settleInModel(task: ModelTask, settlement: Settlement, suspect: boolean): void {
  task.holder = null
  const back = ['release', 'retry', 'crash', 'snooze'].includes(settlement.kind)
  const kind = back && task.cancelRequested ? 'cancelled' : settlement.kind
  task.suspect = suspect && kind !== 'cancelled' && kind !== 'failed'
  if (!back || kind === 'cancelled') task.cancelRequested = false
  if (kind === 'succeeded' || kind === 'cancelled') {
    task.ended++
    task.status = kind
    if (settlement.kind === 'succeeded') Object.assign(task, { result: settlement.result, errorCode: null })
    else task.errorCode = 'cancelled'
    return
  }
  if ('error' in settlement) task.errorCode = settlement.error.code
  switch (settlement.kind) {
    case 'failed':
      task.status = 'failed'
      task.failureReason = settlement.reason
      if (settlement.charge === 'attempt') task.attempts++
      else task.crashes++
      break
    case 'retry':
      task.status = 'retrying'
      task.attempts++
      task.ready = { from: settlement.retryAt, to: settlement.retryAt }
      break
    case 'snooze':
      task.status = 'scheduled'
      task.snoozes++
      task.ready = { from: settlement.until, to: settlement.until }
      break
    case 'crash':
      task.status = 'queued'
      task.crashes++
      break
    case 'release':
      task.status = 'queued'
      task.releases++
      break
    default:
  }
}

/** An owner died: alone in its hand means guilty, with others means suspect. */
export function crashInModel(model: Model, owner: number, maxCrashes: number): void {
  const inHand = model.tasks.filter((task) => task.holder?.owner === owner)
  for (const task of inHand) {
    const error = { code: 'worker_crashed', message: '' }
    if (task.cancelRequested || inHand.length > 1) settleInModel(task, { kind: 'release' }, true)
    else if (task.crashes - task.base.crashes + 1 < maxCrashes)
      settleInModel(task, { kind: 'crash', error }, true)
    else settleInModel(task, { kind: 'failed', reason: 'crashed', error, charge: 'crash' }, false)
  }
}

export function cancelInModel(task: ModelTask): 'cancelled' | 'requested' | 'final' {
  if (isModelFinal(task)) return 'final'
  if (task.status === 'running') {
    task.cancelRequested = true
    return 'requested'
  }
  Object.assign(task, { status: 'cancelled', suspect: false, errorCode: 'cancelled' })
  return 'cancelled'
}

export function replayInModel(task: ModelTask, at: Span): 'replayed' | 'not_replayable' {
  if (task.status !== 'failed' && task.status !== 'cancelled') return 'not_replayable'
  Object.assign(task, {
    status: 'queued',
    ready: at,
    replayed: true,
    result: null,
    errorCode: null,
    failureReason: null,
  })
  task.base = { attempts: task.attempts, crashes: task.crashes }
  return 'replayed'
}

/** What the wall clock does: first what expired fails, then what is due is queued. */
export function passTimeInModel(model: Model, now: number): void {
  for (const task of model.tasks) {
    if (isModelFinal(task) || task.status === 'running') continue
    const { expiresAt } = task.given
    if (expiresAt !== null && expiresAt <= now && task.deliveries === 0 && !task.replayed) {
      Object.assign(task, { status: 'failed', failureReason: 'expired', errorCode: 'expired' })
    } else if (task.ready.to <= now) task.status = 'queued'
  }
}

/** Whether `a` must come before `b`: certainly older in rank, or as old and accepted earlier. */
export function mustPrecede(a: ModelTask, b: ModelTask): boolean {
  const [rankA, rankB] = [rankOf(a), rankOf(b)]
  return (
    rankA.to < rankB.from || (rankA.to === rankB.from && a.seq < b.seq) || (sameSpan(a, b) && a.seq < b.seq)
  )
}

function rankOf({ ready, given }: ModelTask): Span {
  return { from: ready.from - given.priority * 60_000, to: ready.to - given.priority * 60_000 }
}

/** Accepted in one call: ready at the very same moment. */
function sameSpan(a: ModelTask, b: ModelTask): boolean {
  return a.ready === b.ready && a.given.priority === b.given.priority
}
