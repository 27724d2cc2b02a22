import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Checks } from './checks.ts'
import type { TaskJson } from './load.ts'
import { type Container, type Engine, LIMITS } from './podman.ts'

const SECOND_NS = 1_000_000_000
const SEED_HEALTHCHECK = { Interval: 30 * SECOND_NS, Timeout: 10 * SECOND_NS, Retries: 3 }

/** As an operator may want it. */
const LOCKED_UP = ['--read-only', '--cap-drop=all', '--security-opt=no-new-privileges']

/** A worker alone: what it asks for, who it is, what it answers, how it stops, and what is left. */
export async function checkOneContainer(engine: Engine, { check }: Checks): Promise<void> {
  await check('without API_TOKEN it ends with 78 and says why', async () => {
    const { code, stderr } = await engine.runBare()
    assert.equal(code, 78)
    assert.match(stderr, /API_HOST: 0\.0\.0\.0 can be reached from other machines: expected API_TOKEN/)
  })
  const volume = await engine.volume()
  const container = await engine.run({
    volume,
    flags: [...LOCKED_UP, ...LIMITS, '--add-host=mcp-worker:127.0.0.1'],
  })
  await check('with it, it gets ready', () => container.ready())
  await checkSurroundings(engine, container, volume, check)
  await checkSeedExample(container, check)
  await check('podman stop ends it with 0 in less than 35 s', async () => {
    const ms = await container.stop(35)
    assert.equal(await container.ended(), 0)
    assert.ok(ms < 35_000)
    return `${(ms / 1_000).toFixed(1)} s`
  })
  await check('the next container on the volume knows what was indexed', async () => {
    const next = await engine.run({ volume })
    await next.ready()
    assert.equal((await search(next)).id, 'cats')
    await next.stop(35)
  })
}

async function checkSurroundings(
  engine: Engine,
  container: Container,
  volume: string,
  check: Checks['check'],
): Promise<void> {
  await check("the seed's health check passes inside, and is the image's own", async () => {
    const { code, stdout, stderr } = await container.sh('curl -f http://localhost:9090/metrics')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /^mcp_worker_health 1$/m)
    const { Test, ...times } = (await engine.healthcheck()) as { Test: string[] }
    assert.deepEqual(Test, ['CMD-SHELL', 'curl -f "http://localhost:$METRICS_PORT/metrics"'])
    assert.deepEqual(times, SEED_HEALTHCHECK)
  })
  await check('every process in it runs as the user node', async () => {
    const { stdout } = await container.sh('id -u node; grep -h "^Uid:" /proc/[0-9]*/status')
    const [id, ...lines] = stdout.trim().split('\n')
    assert.equal(id, '1000')
    for (const line of lines) assert.match(line, /^Uid:\t1000\t1000\t1000\t1000$/)
  })
  await check('/data is its own, and holds the queue', async () => {
    const folder = await engine.folderOf(volume)
    for (const path of [folder, join(folder, 'queue.db')]) assert.equal((await stat(path)).uid, 1000, path)
  })
  await check('the API wants the token, the metrics port a name that it knows', async () => {
    assert.equal(await statusOf(container, 'http://mcp-worker:8000/tasks'), '401')
    assert.equal(await statusOf(container, 'http://mcp-worker:9090/metrics'), '200')
    assert.equal(
      await statusOf(container, '-H "Host: elsewhere.example" http://mcp-worker:9090/metrics'),
      '403',
    )
  })
}

async function statusOf(container: Container, request: string): Promise<string> {
  return (await container.sh(`curl -s -o /dev/null -w '%{http_code}' ${request}`)).stdout
}

async function checkSeedExample(container: Container, check: Checks['check']): Promise<void> {
  const documents = [
    { id: 'cats', text: 'Cats sleep most of the day and hunt at dusk.' },
    { id: 'queues', text: 'A queue keeps the work that is still to be done.' },
  ]
  const payload = { documents, collection: 'documents', batch_size: 100 }
  await check("the seed's vector_index task is accepted at mcp-worker:8000 and succeeds", async () => {
    const { stdout } = await container.sh(
      'curl -sS -H "Authorization: Bearer $API_TOKEN" -H "Content-Type: application/json" --data-binary @- http://mcp-worker:8000/tasks',
      JSON.stringify({ type: 'vector_index', payload }),
    )
    const { id } = JSON.parse(stdout) as { id: string }
    const { body } = await container.call<TaskJson>('GET', `/tasks/${id}?wait=60`)
    assert.equal(body.status, 'succeeded', JSON.stringify(body))
  })
  await check('vector_search finds it', async () => {
    const { id, score } = await search(container)
    assert.equal(id, 'cats')
    return `score ${score.toFixed(2)}`
  })
  await check('the commands work inside: mcp-worker list', async () => {
    const { code, stdout } = await container.sh('mcp-worker list')
    assert.equal(code, 0)
    assert.match(stdout, /vector_index/)
  })
}

async function search(container: Container): Promise<{ readonly id: string; readonly score: number }> {
  const { status, body } = await container.call<{ hits?: { id: string; score: number }[] }>(
    'POST',
    '/queries/vector_search',
    {
      collection: 'documents',
      text: 'when do cats sleep',
      k: 1,
    },
  )
  const hit = body.hits?.[0]
  assert.ok(status === 200 && hit, `${status} ${JSON.stringify(body)}`)
  return hit
}
