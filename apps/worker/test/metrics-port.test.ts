import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { call, startService } from './running-service.js'

const memory = { QUEUE_URL: 'memory:' }

/** Status of a GET with a forged Host, which fetch would not send. */
function getAs(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    sent.on('error', reject).end()
  })
}

describe('the metrics port', () => {
  it('counts deliveries under the documented names and labels', async () => {
    const { call: api, metricsUrl } = await startService({ env: memory })
    await api('POST', '/tasks', { type: 'greet', payload: {}, id: 'good' })
    await api('POST', '/tasks', { type: 'broken', payload: {}, id: 'bad' })
    await api('GET', '/tasks/good?wait=20')
    await api('GET', '/tasks/bad?wait=20')
    await api('POST', '/tasks', { type: 'until_stopped', payload: {}, id: 'running' })
    await api('GET', '/tasks/running?wait=0.3')
    const { status, body, headers } = await call(`${metricsUrl}/metrics`, 'GET')
    expect(status).toBe(200)
    expect(headers.get('content-type')).toContain('text/plain')
    for (const line of [
      'mcp_worker_tasks_processed_total{task_type="greet",status="success"} 1',
      'mcp_worker_tasks_processed_total{task_type="broken",status="failed"} 1',
      'mcp_worker_tasks_failed_total{task_type="broken"} 1',
      'mcp_worker_task_duration_seconds_count{task_type="greet"} 1',
      'mcp_worker_active_tasks 1',
      'mcp_worker_health 1',
    ]) {
      expect(body).toContain(`${line}\n`)
    }
    expect(body).toMatch(/^process_cpu_seconds_total /m)
  })

  it('answers the healthcheck of the compose file, which calls it localhost', async () => {
    const { metricsUrl } = await startService({ env: memory })
    const { status, body } = await call(`http://localhost:${new URL(metricsUrl).port}/metrics`, 'GET')
    expect(status).toBe(200)
    expect(body).toContain('mcp_worker_health 1')
  })

  it('answers probes', async () => {
    const { metricsUrl } = await startService({ env: memory })
    expect(await call(`${metricsUrl}/livez`, 'GET')).toMatchObject({ status: 200, body: { status: 'alive' } })
    expect(await call(`${metricsUrl}/readyz`, 'GET')).toMatchObject({
      status: 200,
      body: { status: 'ready', reasons: [] },
    })
    const { status, body } = await call(`${metricsUrl}/health`, 'GET')
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: 'healthy', checked_at: expect.stringMatching(/Z$/) })
    expect(body.checks.map((one: { name: string }) => one.name)).toContain('store')
    expect(await getAs(`${metricsUrl}/livez`, {})).toBe(200)
  })

  it('has no API, and says so', async () => {
    const { metricsUrl } = await startService({ env: memory })
    expect(await call(`${metricsUrl}/tasks`, 'GET')).toMatchObject({
      status: 404,
      body: { code: 'no_such_route' },
    })
    const refused = await call(`${metricsUrl}/metrics`, 'POST', {})
    expect(refused).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } })
    expect(refused.headers.get('allow')).toBe('GET, HEAD')
  })

  it('answers to no foreign host and no foreign page, but to the allowed ones', async () => {
    const { metricsUrl } = await startService({ env: { ...memory, API_ALLOWED_HOSTS: 'mcp-worker' } })
    const { port } = new URL(metricsUrl)
    const url = `${metricsUrl}/metrics`
    expect(await getAs(url, { host: `mcp-worker:${port}` })).toBe(200)
    expect(await getAs(url, { host: `evil.example:${port}` })).toBe(403)
    expect(await getAs(url, { origin: 'https://evil.example' })).toBe(403)
  })

  it('beyond loopback answers by the address that was called', async () => {
    const { metricsUrl } = await startService({ env: { ...memory, METRICS_HOST: '0.0.0.0' } })
    const { port } = new URL(metricsUrl)
    expect(await getAs(`http://127.0.0.2:${port}/metrics`, {})).toBe(200)
    expect(await getAs(`http://127.0.0.2:${port}/metrics`, { host: '10.9.9.9' })).toBe(403)
  })

  it('with LOG_LEVEL DEBUG the log also tells of the queue, of resources and of requests', async () => {
    const { call: api, line } = await startService({
      env: { ...memory, LOG_LEVEL: 'DEBUG', HEALTH_CHECK_INTERVAL: '1' },
    })
    await api('POST', '/tasks', { type: 'greet', payload: {}, delay: '1h' })
    expect(await line('api_request')).toMatchObject({ level: 'debug', route: '/tasks', status: 202 })
    expect(await line('resource_use')).toMatchObject({ rss_bytes: expect.any(Number) })
    expect(await line('queue_status')).toMatchObject({ by_type: expect.any(Object) })
  })
})
