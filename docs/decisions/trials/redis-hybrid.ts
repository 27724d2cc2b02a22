/** BullMQ's storage with a claim script of ours: is a job that our Lua moved to active settled by BullMQ's own commands? Run: REDIS_URL=redis://… node redis-hybrid.ts */
import { randomUUID } from 'node:crypto'
import { Job, Queue, Redis, Worker } from '../../../bench/peers.ts'

const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const connection = { url, maxRetriesPerRequest: null }
const name = `trial-${randomUUID()}`
const k = `bull:${name}:`
const queue = new Queue(name, { connection })
const worker = new Worker(name, null, { connection })
const redis = new Redis(url)
const say = (what: string, seen: unknown) => console.log(`${what}: ${JSON.stringify(seen)}`)

// every job in the prioritized set (a list has no cheap removal by id), our rank and version beside it
const ADD_RANK = (type: string, version: number) => `${k}rank:${type}:${version}`
await queue.add('a', { n: 1 }, { jobId: 'j1', priority: 1 })
await queue.add('a', { n: 2 }, { jobId: 'j2', priority: 1 })
await redis.zadd(ADD_RANK('a', 1), 20, 'j1', 10, 'j2')

const CLAIM = `
local k, rank, token, lock, now = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local id = redis.call('ZRANGE', rank, 0, 0)[1]
if not id then return false end
redis.call('ZREM', rank, id)
redis.call('ZREM', k..'prioritized', id)
redis.call('LPUSH', k..'active', id)
redis.call('SET', k..id..':lock', token, 'PX', lock)
redis.call('HSET', k..id, 'processedOn', now)
redis.call('HINCRBY', k..id, 'ats', 1)
return id`
const id = String(await redis.eval(CLAIM, 0, k, ADD_RANK('a', 1), 'fence-1', '30000', `${Date.now()}`))
say('our claim took the lower rank, not the first in', id)
const job = await Job.fromId(queue, id)
say(
  'settled by BullMQ',
  await job?.moveToCompleted({ ok: true }, 'fence-1', false).then(
    () => 'completed',
    (e: Error) => e.message,
  ),
)
say('state', await job?.getState())
say(
  'a second settle',
  await job?.moveToCompleted({}, 'fence-1', false).then(
    () => 'completed',
    (e: Error) => e.message,
  ),
)
const next = await worker.getNextJob('x', { block: false })
say('what a stock BullMQ worker takes meanwhile leaves our set stale', [
  next?.id,
  await redis.zscore(ADD_RANK('a', 1), 'j1'),
])
await next?.moveToWait('x')
say('a release by BullMQ comes back to its set but not to ours', [
  await next?.getState(),
  await redis.zrange(ADD_RANK('a', 1), '0', '-1'),
])
await queue.obliterate({ force: true })
await worker.close()
await queue.close()
redis.disconnect()
