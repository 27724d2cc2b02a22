import { expect } from 'vitest'
import type { Claim, ClaimRequest } from '../../queue.js'
import { mustPrecede, type Model, type ModelTask } from './model.js'

/** Holds a claim's answer against all that the model allows, and lets the model follow it. */
export function checkClaim(model: Model, owner: number, request: ClaimRequest, claim: Claim): void {
  const wanted = model.tasks.filter((task) => isWanted(model, task, request))
  const suspects = wanted.filter((task) => task.suspect)
  const candidates = request.alone ? suspects : wanted.filter((task) => !task.suspect)
  const room = request.alone ? candidates.length : roomFor(candidates, request)
  const expected = request.alone ? Math.min(1, request.max, room) : Math.min(request.max, room)
  expect(claim.deliveries, 'number of deliveries').toHaveLength(expected)
  expect(claim.suspects, 'suspects that wait').toBe(suspects.length - (request.alone ? expected : 0))
  const taken = claim.deliveries.map((delivery) =>
    candidates.find(({ given }) => given.id === delivery.task.id),
  )
  expect(taken, 'every delivered task was one that could be').not.toContain(undefined)
  expect(new Set(taken).size, 'no task twice').toBe(taken.length)
  checkOrder(taken as ModelTask[], candidates, request)
  for (const [i, delivery] of claim.deliveries.entries()) {
    const task = taken[i]!
    expect(model.fences.has(delivery.fence), 'a fence that was given before').toBe(false)
    model.fences.add(delivery.fence)
    Object.assign(task, { status: 'running', holder: { owner, fence: delivery.fence } })
    task.deliveries++
    const { attempts, crashes, deliveries, checkpoint, base } = task
    expect(delivery).toMatchObject({
      intact: true,
      checkpoint,
      charged: { attempts: attempts - base.attempts, crashes: crashes - base.crashes },
      task: { status: 'running', deliveries, attempts, crashes, payload: task.given.payload },
    })
  }
}

function isWanted(model: Model, { status, given }: ModelTask, { wants }: ClaimRequest): boolean {
  if (status !== 'queued' || model.paused.has(given.type)) return false
  return wants.some(({ type, versions }) => type === given.type && versions.includes(given.version))
}

function roomFor(candidates: readonly ModelTask[], { wants }: ClaimRequest): number {
  const perType = wants.map(({ type, free }) =>
    Math.min(free, candidates.filter(({ given }) => given.type === type).length),
  )
  return perType.reduce((sum, n) => sum + n, 0)
}

/** Nothing that was left behind came before what was taken, unless its type had no place left; what was taken is in order. */
function checkOrder(
  taken: readonly ModelTask[],
  candidates: readonly ModelTask[],
  { wants, alone }: ClaimRequest,
): void {
  for (const [i, task] of taken.entries()) {
    const tooLate = taken.slice(i + 1).find((later) => mustPrecede(later, task))
    expect(tooLate?.given.id, `delivered after ${task.given.id}`).toBeUndefined()
  }
  for (const left of candidates.filter((task) => !taken.includes(task))) {
    const ofType = taken.filter(({ given }) => given.type === left.given.type)
    const free = wants.find(({ type }) => type === left.given.type)?.free ?? 0
    const rivals = !alone && ofType.length >= free ? ofType : taken
    const overtaken = rivals.find((task) => mustPrecede(left, task))
    expect(overtaken?.given.id, `delivered before ${left.given.id}`).toBeUndefined()
  }
}
