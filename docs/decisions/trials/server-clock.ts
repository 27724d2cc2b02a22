/**
 * A server whose own wall clock steps by an hour: what becomes of leases judged by it. Starts its own servers, with a shim (needs `cc`) that adds
 * the seconds in a file to gettimeofday and CLOCK_REALTIME. Run: node server-clock.ts
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pg, Redis } from '../../../bench/peers.ts'
import { startPostgres, startRedis } from '../../../packages/test-servers/src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-clock-'))
chmodSync(folder, 0o755)
const offset = join(folder, 'offset')
writeFileSync(offset, '0')
writeFileSync(
  join(folder, 'shim.c'),
  `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long off(void) { char b[32] = {0}; int f = open("${offset}", O_RDONLY); if (f < 0) return 0; ssize_t n = read(f, b, 31); close(f); return n > 0 ? atol(b) : 0; }
int clock_gettime(clockid_t c, struct timespec *t) { static int (*r)(clockid_t, struct timespec *); if (!r) r = dlsym(RTLD_NEXT, "clock_gettime"); int e = r(c, t); if (c == CLOCK_REALTIME) t->tv_sec += off(); return e; }
int gettimeofday(struct timeval *restrict t, void *restrict z) { struct timespec s; int e = clock_gettime(CLOCK_REALTIME, &s); t->tv_sec = s.tv_sec; t->tv_usec = s.tv_nsec / 1000; return e; }
`,
)
const shim = join(folder, 'shim.so')
spawnSync('cc', ['-shared', '-fPIC', '-o', shim, join(folder, 'shim.c'), '-ldl'], { stdio: 'inherit' })
process.env['LD_PRELOAD'] = shim
const say = (what: string, seen: unknown) => console.log(`${what}: ${JSON.stringify(seen)}`)
const hours = (n: number) => writeFileSync(offset, String(n * 3600))

const redisServer = await startRedis()
const redis = new Redis(redisServer.url)
await redis.set('lock', 'fence', 'PX', 30_000)
hours(-1)
say('Redis, clock an hour back: lease left, s', Math.round((await redis.pttl('lock')) / 1000))
hours(1)
say('Redis, clock an hour ahead: lease left, s', Math.round((await redis.pttl('lock')) / 1000))
hours(0)
redis.disconnect()
await redisServer.stop()

const postgres = await startPostgres({ durable: true })
const db = new pg.Client({ connectionString: postgres.url })
await db.connect()
await db.query("create table l as select clock_timestamp() + interval '30 s' as until")
const left = async () =>
  (await db.query<{ s: string }>('select round(extract(epoch from until - clock_timestamp())) s from l'))
    .rows[0]?.s
hours(-1)
say('PostgreSQL, clock an hour back: lease left, s', await left())
hours(1)
say('PostgreSQL, clock an hour ahead: lease left, s', await left())
hours(0)
await db.end()
await postgres.stop()
rmSync(folder, { recursive: true, force: true })
