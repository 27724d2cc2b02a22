/** What BullMQ does by itself where the queue contract asks for more. Run: REDIS_URL=redis://… node redis-bullmq.ts */
import { randomUUID } from 'node:crypto'
import { Queue, Redis, Worker } from '../../../bench/peers.ts'

const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const connection = { url, maxRetriesPerRequest: null }
const name = `trial-${randomUUID()}`
const queue = new Queue(name, { connection })
const lockMs = 400
const worker = new Worker(name, null, {
  connection,
  lockDuration: lockMs,
  stalledInterval: 300,
  skipStalledCheck: false,
})
const redis = new Redis(url)
const say = (what: string, seen: unknown) => console.log(`${what}: ${JSON.stringify(seen)}`)
const tried = async (work: Promise<unknown>) =>
  work.then(
    (value) => ({ ok: value ?? null }),
    (error: Error) => ({ error: error.message.slice(0, 90) }),
  )
const claim = async (token: string) => {
  const job = await worker.getNextJob(token, { block: false })
  if (!job) throw new Error('expected a job')
  return job
}
const elapsed = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

// a token per delivery, and what a stale one can do
await queue.add('a', { n: 1 }, { attempts: 5 })
const first = await claim('fence-1')
await first.moveToWait('fence-1')
const second = await claim('fence-2')
say('same job, second token', second.id === first.id)
say('stale moveToCompleted', await tried(first.moveToCompleted('late', 'fence-1', false)))
say('stale moveToFailed', await tried(first.moveToFailed(new Error('late'), 'fence-1', false)))
say('stale moveToDelayed', await tried(first.moveToDelayed(Date.now() + 1000, 'fence-1')))
say('stale moveToWait', await tried(first.moveToWait('fence-1')))
say('stale extendLock', await tried(first.extendLock('fence-1', 1000)))
say('updateProgress has no token', await tried(first.updateProgress({ done: 1 })))
say('log has no token', await tried(first.log('late line')))
say('token "0" ends the lease of another', await tried(first.moveToCompleted('thief', '0', false)))
say('state after', await first.getState())

// release and snooze: which counters move
await queue.add('b', {}, { attempts: 5 })
const released = await claim('r1')
await released.moveToWait('r1')
const again = await claim('r2')
await again.moveToDelayed(Date.now() + 60_000, 'r2')
const stored = await queue.getJob(String(again.id))
say('after release and snooze', { atm: stored?.attemptsMade, ats: stored?.attemptsStarted })

// a lease that is not renewed: settle before and after the stalled check
await queue.add('c', {}, { attempts: 5 })
const lost = await claim('l1')
await elapsed(lockMs + 50)
say('settle after the lock ended', await tried(lost.moveToCompleted('late', 'l1', false)))
await worker.startStalledCheckTimer()
const from = performance.now()
let back = await worker.getNextJob('l2', { block: false })
while (!back && performance.now() - from < 5000) {
  await elapsed(20)
  back = await worker.getNextJob('l2', { block: false })
}
say('redelivered', {
  sameJob: back?.id === lost.id,
  afterMs: Math.round(performance.now() - from),
  stc: back?.stalledCounter,
})
await back?.moveToCompleted(null, 'l2', false)

// identity: an id given twice, with another payload
await queue.add('d', { v: 1 }, { jobId: 'same', delay: 60_000 })
const twin = await queue.add('d', { v: 2 }, { jobId: 'same', delay: 60_000 })
say('second add of the id answers', { id: twin.id, data: twin.data })
say('what is stored', (await queue.getJob('same'))?.data)
const unique = await queue.add('d', { v: 1 }, { deduplication: { id: 'key', ttl: 60_000 }, delay: 60_000 })
const other = await queue.add('d', { v: 2 }, { deduplication: { id: 'key', ttl: 60_000 }, delay: 60_000 })
say('deduplication, other payload', { same: unique.id === other.id, data: other.data })
await unique.remove()
say('key after its job was removed', await redis.exists(`bull:${name}:de:key`))

// all or none: one bad item in addBulk
const bulk = queue.addBulk([
  { name: 'e', data: { i: 0 }, opts: { delay: 60_000, jobId: 'bulk-0' } },
  { name: 'e', data: { i: 1 }, opts: { delay: 60_000, parent: { id: 'nobody', queue: `bull:${name}` } } },
])
say('addBulk with a refused item', await tried(bulk.then((jobs) => jobs.length)))
say('and the good one is stored', (await queue.getJob('bulk-0')) !== undefined)

// order: priority beats any age
await queue.add('f', { name: 'old' }, { priority: 2 })
await elapsed(5)
await queue.add('f', { name: 'young' }, { priority: 1 })
say('priority 1 young before priority 2 old', (await claim('p1')).data)
say(
  'cancel of a waiting one keeps it readable',
  await (async () => {
    const job = await queue.add('g', {}, { delay: 60_000 })
    await job.remove()
    return (await queue.getJob(String(job.id))) !== undefined
  })(),
)
say('locked one removed', await tried((await queue.getActive())[0]?.remove() ?? Promise.resolve()))

await queue.obliterate({ force: true })
await worker.close()
await queue.close()
redis.disconnect()
