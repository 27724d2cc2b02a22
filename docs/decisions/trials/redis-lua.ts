/**
 * The contract's hard sentences in two Lua scripts over keys of our own: all-or-none submit with ids and idempotency keys, claim by rank across types
 * with versions and caps. Run: REDIS_URL=redis://… node redis-lua.ts
 */
import { randomUUID } from 'node:crypto'
import { Redis } from '../../../bench/peers.ts'

const redis = new Redis(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379')
const p = `{trial-${randomUUID().slice(0, 8)}}:`
const say = (what: string, seen: unknown) => console.log(`${what}: ${JSON.stringify(seen)}`)

// every check comes before the first write, since a script that fails half-way is not rolled back
const SUBMIT = `
local p, now, ttl, max, tasks = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), cjson.decode(ARGV[5])
local answers, refused, fresh, seen = {}, false, 0, {}
for i, t in ipairs(tasks) do
  local answer = 'accepted'
  if t.key then
    local k = redis.call('HMGET', p..'key:'..t.type..':'..t.key, 'hash', 'until')
    if k[1] and tonumber(k[2]) > now then answer = k[1] == t.hash and 'duplicate' or 'conflict:key' end
  end
  local own = seen[t.id] or redis.call('HGET', p..'task:'..t.id, 'hash')
  if answer == 'accepted' and own then answer = own == t.hash and 'duplicate' or 'conflict:id' end
  if answer == 'accepted' then fresh = fresh + 1; seen[t.id] = t.hash end
  if string.sub(answer, 1, 8) == 'conflict' then refused = true end
  answers[i] = answer
end
local waiting = tonumber(redis.call('GET', p..'waiting') or '0')
if fresh > 0 and waiting + fresh > max then return {'full:'..waiting} end
if refused then
  for i, a in ipairs(answers) do if string.sub(a, 1, 8) ~= 'conflict' then answers[i] = 'not_submitted' end end
  return answers
end
for i, t in ipairs(tasks) do
  if answers[i] == 'accepted' then
    local seq = redis.call('INCR', p..'seq')
    local member = string.format('%016d', seq)..t.id
    redis.call('HSET', p..'task:'..t.id, 'hash', t.hash, 'type', t.type, 'v', t.version, 'payload', t.payload, 'rank', t.rank, 'seq', seq, 'status', 'queued')
    redis.call('ZADD', p..'ready:'..t.type..':'..t.version, t.rank, member)
    redis.call('SADD', p..'pools', t.type..':'..t.version)
    redis.call('ZADD', p..'all', seq, t.id)
    redis.call('HINCRBY', p..'counts', t.type..':queued', 1)
    redis.call('INCR', p..'waiting')
    if t.key then
      redis.call('HSET', p..'key:'..t.type..':'..t.key, 'hash', t.hash, 'id', t.id, 'until', now + ttl)
      redis.call('PEXPIRE', p..'key:'..t.type..':'..t.key, ttl * 2)
    end
  end
end
return answers`

// rank ties are broken by the member, which begins with the sequence number
const CLAIM = `
local p, max, lease, token, wants = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], cjson.decode(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local heads, taken, out = {}, {}, {}
local function head(w, v)
  local h = redis.call('ZRANGE', p..'ready:'..w.type..':'..v, 0, 0, 'WITHSCORES')
  if h[1] then heads[w.type..':'..v] = {w = w, v = v, member = h[1], rank = tonumber(h[2])} else heads[w.type..':'..v] = nil end
end
for _, w in ipairs(wants) do
  taken[w.type] = 0
  if redis.call('SISMEMBER', p..'paused', w.type) == 0 then for _, v in ipairs(w.versions) do head(w, v) end end
end
while #out < max do
  local best
  for _, h in pairs(heads) do
    if taken[h.w.type] < h.w.free and (not best or h.rank < best.rank or (h.rank == best.rank and h.member < best.member)) then best = h end
  end
  if not best then break end
  local id, fence = string.sub(best.member, 17), token..':'..#out
  redis.call('ZREM', p..'ready:'..best.w.type..':'..best.v, best.member)
  redis.call('HSET', p..'task:'..id, 'status', 'running', 'fence', fence)
  redis.call('HINCRBY', p..'task:'..id, 'deliveries', 1)
  redis.call('HINCRBY', p..'counts', best.w.type..':queued', -1)
  redis.call('HINCRBY', p..'counts', best.w.type..':running', 1)
  redis.call('DECR', p..'waiting')
  redis.call('ZADD', p..'leases', now + lease, id)
  taken[best.w.type] = taken[best.w.type] + 1
  out[#out + 1] = {id, fence}
  head(best.w, best.v)
end
return out`

interface Item {
  id: string
  type: string
  version: number
  payload: string
  hash: string
  rank: number
  key?: string
}
const item = (id: string, type: string, rank: number, more: Partial<Item> = {}): Item => ({
  id,
  type,
  version: 1,
  payload: '{}',
  hash: 'h',
  rank,
  ...more,
})
const submit = (items: readonly Item[], now = 0, max = 1e6) =>
  redis.eval(SUBMIT, 0, p, now, 1000, max, JSON.stringify(items)) as Promise<string[]>
const claim = (wants: unknown, max: number) =>
  redis.eval(CLAIM, 0, p, max, 30_000, randomUUID(), JSON.stringify(wants)) as Promise<[string, string][]>

await submit([
  item('a1', 'a', 30),
  item('b1', 'b', 10),
  item('a2', 'a', 20),
  item('b2', 'b', 10),
  item('a3', 'a', 5, { version: 2 }),
])
const wants = [
  { type: 'a', versions: [1], free: 1 },
  { type: 'b', versions: [1], free: 5 },
]
say(
  'rank order across types, free of a = 1, version 2 not wanted',
  (await claim(wants, 9)).map(([id]) => id),
)
say('one conflict refuses all', await submit([item('n1', 'a', 1), item('a1', 'a', 1, { hash: 'other' })]))
say('n1 stored', await redis.exists(`${p}task:n1`))
say('full', await submit([item('n2', 'a', 1)], 0, 1))
const equal = await Promise.all(
  Array.from({ length: 200 }, (_, i) => submit([item(`k${i}`, 'a', 1, { key: 'K' })])),
)
say('200 equal submits accepted', equal.flat().filter((answer) => answer === 'accepted').length)
say('same key, other payload', await submit([item('k-other', 'a', 1, { key: 'K', hash: 'x' })]))
say(
  "key after its ttl by the caller's wall clock",
  await submit([item('k-late', 'a', 1, { key: 'K' })], 1001),
)
await redis.sadd(`${p}paused`, 'a')
say('paused a', await claim([{ type: 'a', versions: [1, 2], free: 9 }], 9))
await redis.srem(`${p}paused`, 'a')
say('counts', await redis.hgetall(`${p}counts`))

// pages, newest first, while new ones come in
const pages: string[] = []
let before = '+inf'
for (;;) {
  const page = await redis.zrevrangebyscore(`${p}all`, before, '-inf', 'WITHSCORES', 'LIMIT', 0, 3)
  if (page.length === 0) break
  pages.push(...page.filter((_, i) => i % 2 === 0))
  before = `(${page.at(-1)}`
  await submit([item(`late-${pages.length}`, 'c', 1)])
}
say('listed, distinct', [pages.length, new Set(pages).size])

// speed and what a large claim costs the server
const load = Array.from({ length: 100_000 }, (_, i) => item(`L${i}`, `t${i % 20}`, i))
const t0 = performance.now()
for (let i = 0; i < load.length; i += 1000) await submit(load.slice(i, i + 1000))
say('submit by 1,000: tasks/s', Math.round(100_000 / ((performance.now() - t0) / 1000)))
const many = Array.from({ length: 20 }, (_, i) => ({ type: `t${i}`, versions: [1, 2, 3], free: 64 }))
const t1 = performance.now()
let got = 0
for (let i = 0; i < 500; i++) got += (await claim(many, 64)).length
say('claim 64 of 20 types × 3 versions: ms each', +((performance.now() - t1) / 500).toFixed(2))
say('claimed', got)

// a full memory refuses the script before its first write?
const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
await redis.config('SET', 'maxmemory', String(used - 1_000_000))
say(
  'submit at maxmemory',
  await submit([item('oom', 'a', 1)]).catch((error: Error) => error.message.slice(0, 60)),
)
say('oom stored', await redis.exists(`${p}task:oom`))
say(
  'claim at maxmemory',
  await claim(many, 1).then(
    (c) => c.length,
    (error: Error) => error.message.slice(0, 60),
  ),
)
await redis.config('SET', 'maxmemory', '0')
await redis.flushdb()
redis.disconnect()
