/** Whose clock judges a BullMQ lock, and how long calls and close() take against a frozen server. Run: REDIS_URL=redis://… node redis-clock-and-frozen.ts */
import { randomUUID } from 'node:crypto'
import { Queue, Redis, Worker } from '../../../bench/peers.ts'

const url = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const connection = { url, maxRetriesPerRequest: null }
const say = (what: string, seen: unknown) => console.log(`${what}: ${JSON.stringify(seen)}`)
const redis = new Redis(url)
const pid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1])
const within = (ms: number, work: Promise<unknown>) => {
  const from = performance.now()
  const ending = (how: string) => ({ how, ms: Math.round(performance.now() - from) })
  return Promise.race([
    work.then(
      () => ending('answered'),
      (error: Error) => ending(`threw ${error.message.slice(0, 50)}`),
    ),
    new Promise((resolve) => setTimeout(() => resolve(ending('still waiting')), ms)),
  ])
}

const name = `trial-${randomUUID()}`
const queue = new Queue(name, { connection })
const worker = new Worker(name, null, { connection, lockDuration: 2000 })
await queue.add('a', {})
const job = await worker.getNextJob('t', { block: false })
const realNow = Date.now
Date.now = () => realNow() + 3_600_000
say('lock left with the client an hour ahead', await redis.pttl(`bull:${name}:${job?.id}:lock`))
const later = await queue.add('later', {}, { delay: 1000 })
say(
  'delayed job of a client an hour ahead is due in minutes',
  Math.round(
    (Number(await redis.zscore(`bull:${name}:delayed`, String(later.id))) / 0x1000 - realNow()) / 60_000,
  ),
)
const promoted = await worker.getNextJob('t2', { block: false })
Date.now = () => realNow() + 2 * 3_600_000
say(
  'a client two hours ahead claims it at once',
  (await worker.getNextJob('t3', { block: false }))?.id === later.id && promoted === undefined,
)
Date.now = realNow

const bounded = new Redis(url, { commandTimeout: 500 })
await bounded.ping()
const fresh = new Redis(url, { connectTimeout: 700, lazyConnect: true, retryStrategy: () => null })
fresh.on('error', () => {})
process.kill(pid, 'SIGSTOP')
try {
  say('queue.add, frozen', await within(3000, queue.add('b', {})))
  say('worker.close(), frozen', await within(3000, worker.close()))
  say('queue.close(), frozen', await within(3000, queue.close()))
  say('ioredis with commandTimeout 500', await within(3000, bounded.get('x')))
  say('ioredis quit()', await within(3000, redis.quit()))
  say('new connection, connectTimeout 700', await within(3000, fresh.connect()))
  fresh.disconnect()
  say('disconnect() ends a waiting call', await within(3000, (bounded.disconnect(), Promise.resolve())))
} finally {
  process.kill(pid, 'SIGCONT')
}
const after = new Redis(url)
say(
  'after the thaw: the add that nobody waited for is stored',
  await new Promise((resolve) => setTimeout(() => resolve(after.llen(`bull:${name}:wait`)), 300)),
)
process.exit(0)
