/** Clients of the service, which go on submitting whatever they are answered and write down each answer. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from './service-process.ts'

export interface Submitted {
  /** Wall time in milliseconds. */
  readonly sentAt: number
  /** 0: no answer came. */
  readonly status: number
  /** The problem's code. */
  readonly code: string | null
  readonly id: string | null
  readonly retryAfter: string | null
  readonly payload: unknown
}

export interface Submitters {
  readonly all: readonly Submitted[]
  /** Those answered 202. */
  accepted(): readonly string[]
  stop(): Promise<void>
}

export interface SubmittersOptions {
  readonly lanes: number
  readonly payload: (n: number) => unknown
  /** After an answer that is no 202. */
  readonly pauseMs: number
}

/** Each lane sends its next submit when the last one was answered. They end by themselves when the service has. */
export function startSubmitters(
  service: Service,
  { lanes, payload, pauseMs }: SubmittersOptions,
): Submitters {
  const all: Submitted[] = []
  const stopped = new AbortController()
  let sent = 0
  const lane = async () => {
    while (!stopped.signal.aborted && !service.hasEnded()) {
      const one = await submit(service, payload(sent++))
      all.push(one)
      if (one.status !== 202) await sleep(pauseMs)
    }
  }
  const running = Array.from({ length: lanes }, lane)
  return {
    all,
    accepted: () => all.flatMap(({ status, id }) => (status === 202 && id !== null ? [id] : [])),
    async stop() {
      stopped.abort()
      await Promise.all(running)
    },
  }
}

export async function submit(service: Service, payload: unknown): Promise<Submitted> {
  const sentAt = performance.timeOrigin + performance.now()
  try {
    const { status, body, headers } = await service.call('POST', '/tasks', { type: 'work', payload })
    const { code = null, id = null } = body as { readonly code?: string; readonly id?: string }
    return { sentAt, status, code, id, retryAfter: headers.get('retry-after'), payload }
  } catch {
    return { sentAt, status: 0, code: null, id: null, retryAfter: null, payload }
  }
}

/** How many answers there were of each kind: `202`, `503 store_failed`, `none`. */
export function kindsOf(submits: readonly Submitted[]): Record<string, number> {
  const kinds: Record<string, number> = {}
  for (const { status, code } of submits) {
    const kind = status === 0 ? 'none' : [status, code].filter((part) => part !== null).join(' ')
    kinds[kind] = (kinds[kind] ?? 0) + 1
  }
  return kinds
}

/** Nothing was answered with another status. */
export function onlyThese(all: readonly Submitted[], statuses: readonly number[]): string[] {
  const others = all.filter(({ status }) => !statuses.includes(status))
  return others.length === 0
    ? []
    : [`P9 expected ${statuses.join(' or ')}, got ${JSON.stringify(kindsOf(others))}`]
}

/** 429 and 503 must say when to come again. */
export function withoutRetryAfter(submits: readonly Submitted[]): string[] {
  const silent = submits.filter(
    ({ status, retryAfter }) => (status === 429 || status === 503) && !(Number(retryAfter) >= 1),
  )
  return silent.length === 0
    ? []
    : [`P9 ${silent.length} answers ${silent[0]!.status} ${silent[0]!.code} without Retry-After`]
}

/** Waits for each of these tasks. Answers what is wrong with those that did not succeed. */
export async function allSucceed(service: Service, ids: readonly string[]): Promise<string[]> {
  const wrong: string[] = []
  for (const id of ids) {
    const { status, body } = await service.call('GET', `/tasks/${id}?wait=60`)
    if (status !== 200) wrong.push(`P1 ${id}: answered 202, and gone (${status})`)
    else if (body['status'] !== 'succeeded') wrong.push(`P2 ${id}: ${JSON.stringify(body)}`)
  }
  return wrong
}
