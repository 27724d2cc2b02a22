/** A stream of submits of every kind, from inside the process under test. An id is written down only after its submit was answered. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isWorkerError, type Submission, type SubmitOptions, type Worker } from '@mcp-worker/runtime'
import type { Ledger } from './ledger.ts'
import { createRandom, type Random } from './random.ts'
import { workOf, type LedgerType, type Work } from './work.ts'

export interface LoadPlan {
  readonly seed: number
  /** Between two bursts, on average. */
  readonly gapMs: number
  /** No submits while more tasks than this wait. */
  readonly mostWaiting: number
  /** Length of the payloads' text. Default: a few dozen characters. */
  readonly textLength?: number
  /** Another process may hold the write lock for longer than a short lease allows to wait: such a submit is refused, no more. */
  readonly mayBeBusy?: boolean
}

/** The worker, with types that are known only at run time. */
export interface Client extends Pick<Worker, 'submitMany' | 'cancel' | 'counts'> {
  submit(type: string, payload: unknown, options?: SubmitOptions): Promise<{ readonly id: string }>
}
type Drawn = { readonly type: LedgerType; readonly work: Work; readonly maxAttempts: number }

/** A key is shared by all processes that draw it within this time; so is its payload. */
const KEY_WINDOW_MS = 100

export async function runLoad(
  client: Client,
  ledger: Ledger,
  plan: LoadPlan,
  signal: AbortSignal,
): Promise<void> {
  const random = createRandom(plan.seed)
  const full = () => isFull(client, plan.mostWaiting)
  let checkAt = 0
  for (let n = 0; !signal.aborted; n++) {
    if (n >= checkAt) {
      if (await full()) {
        await sleep(20, undefined, { signal }).catch(() => {})
        continue
      }
      checkAt = n + 10
    }
    const burst = Array.from({ length: random.int(1, 4) }, () => submitOne(client, ledger, plan, random))
    for (const { status, ...answer } of await Promise.allSettled(burst)) {
      if (status === 'rejected' && !isRefusal((answer as PromiseRejectedResult).reason, plan))
        throw (answer as PromiseRejectedResult).reason
    }
    await sleep(random.int(0, 2 * plan.gapMs), undefined, { signal }).catch(() => {})
  }
}

async function isFull(client: Client, mostWaiting: number): Promise<boolean> {
  const { waiting } = await client.counts()
  return waiting.reduce((sum, { count }) => sum + count, 0) > mostWaiting
}

/** A submit that the shutdown refused, or a busy neighbour. */
function isRefusal(error: unknown, { mayBeBusy = false }: LoadPlan): boolean {
  if (!isWorkerError(error)) return false
  if (mayBeBusy && error.code === 'store_unavailable') return true
  return ['draining', 'queue_closed', 'outcome_unknown'].includes(error.code)
}

async function submitOne(client: Client, ledger: Ledger, plan: LoadPlan, random: Random): Promise<void> {
  if (random.chance(0.08)) return submitKeyed(client, ledger)
  const { type, work, maxAttempts } = draw(random, plan.textLength)
  if (random.chance(0.1))
    return submitBatch(
      client,
      ledger,
      [work, workOf(`${work.text} (2)`), workOf(`${work.text} (3)`)],
      maxAttempts,
    )
  const { id } = await client.submit(type, work, { maxAttempts, priority: random.int(-1, 1) })
  await ledger.keep({ e: 'ack', id, sum: work.sum })
  if (!random.chance(0.04)) return
  await sleep(random.int(0, 30))
  ledger.write({ e: 'cancelling', id })
  const answer = await client
    .cancel(id)
    .catch((error: unknown) => (isWorkerError(error) ? error.code : Promise.reject(error)))
  await ledger.keep({ e: 'cancel', id, answer })
}

async function submitBatch(
  client: Client,
  ledger: Ledger,
  works: readonly Work[],
  maxAttempts: number,
): Promise<void> {
  const accepted = await client.submitMany(
    works.map((payload): Submission => ({ type: 'quick', payload, maxAttempts })),
  )
  await Promise.all(accepted.map(({ id }, index) => ledger.keep({ e: 'ack', id, sum: works[index]!.sum })))
}

/** Two equal submits at once; whoever draws the same key, here or in another process, must be answered with the same task. */
async function submitKeyed(client: Client, ledger: Ledger): Promise<void> {
  const key = `k${Math.floor(Date.now() / KEY_WINDOW_MS)}`
  const work = workOf(`work of ${key}`)
  const answers = await Promise.all([1, 2].map(() => client.submit('quick', work, { idempotency: { key } })))
  await Promise.all(answers.map(({ id }) => ledger.keep({ e: 'ack', id, sum: work.sum, key })))
}

function draw(random: Random, textLength = 24): Drawn {
  const text = `${random.int(0, 1e9)} ÄÖ€ “\u2028” 𝄞 ${'\\"/\n\t x'.repeat(Math.ceil(textLength / 8))}`
  const of = (type: LedgerType, what: Partial<Work> = {}, maxAttempts = 3): Drawn => ({
    type,
    work: workOf(text, what),
    maxAttempts,
  })
  const dice = random.next()
  if (dice < 0.5) return of('quick')
  if (dice < 0.7) return of('slow', { ms: random.int(5, 120) })
  if (dice < 0.8) return of('flaky', { failures: random.int(1, 3) }, random.int(2, 4))
  if (dice < 0.82) return of('flaky', { failures: 1, permanent: true })
  if (dice < 0.9) return of('parent', { children: 2 })
  if (dice < 0.97) return of('steps', { steps: 4 })
  return of('nap', { naps: random.int(1, 2) })
}
