import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../packages/test-servers/src/server.ts'
import { startProcess, type Started } from './processes.ts'

const deploy = (name: string) => fileURLToPath(new URL(`../../deploy/prometheus/${name}`, import.meta.url))

interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [time: number, value: string]
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly values: readonly (readonly [time: number, value: string])[]
}

interface RuleGroups {
  readonly groups: readonly {
    readonly rules: readonly { readonly name: string; readonly health: string; readonly query: string }[]
  }[]
}

export interface Prometheus extends Started {
  query(expr: string): Promise<readonly Sample[]>
  queryRange(expr: string, seconds: number): Promise<readonly Series[]>
  rules(): Promise<readonly { readonly name: string; readonly health: string; readonly query: string }[]>
}

/** deploy/prometheus/prometheus.yml with these targets in the place of DNS, looked at every second. */
export async function startPrometheus(folder: string, metricsPorts: readonly number[]): Promise<Prometheus> {
  const port = await freePort()
  const config = join(folder, 'prometheus.yml')
  writeFileSync(config, configFor(metricsPorts))
  const started = startProcess('prometheus', [
    `--config.file=${config}`,
    `--storage.tsdb.path=${join(folder, 'tsdb')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ])
  const api = async <T>(path: string, parameters: Record<string, string> = {}): Promise<T> => {
    const url = new URL(`http://127.0.0.1:${port}/api/v1/${path}`)
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    const body = (await (await fetch(url)).json()) as { status: string; data: T; error?: string }
    if (body.status !== 'success') throw new Error(`${url.search}: ${body.error}`)
    return body.data
  }
  await started.until('Prometheus is ready', () =>
    fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return {
    ...started,
    query: async (query) => (await api<{ result: Sample[] }>('query', { query })).result,
    queryRange: async (query, seconds) => {
      const end = Date.now() / 1_000
      const parameters = { query, start: String(end - seconds), end: String(end), step: '1' }
      return (await api<{ result: Series[] }>('query_range', parameters)).result
    },
    rules: async () => (await api<RuleGroups>('rules')).groups.flatMap(({ rules }) => rules),
  }
}

function configFor(metricsPorts: readonly number[]): string {
  const targets = metricsPorts.map((port) => `'127.0.0.1:${port}'`).join(', ')
  const text = readFileSync(deploy('prometheus.yml'), 'utf8')
    .replaceAll('15s', '1s')
    .replace('- alerts.yml', `- ${deploy('alerts.yml')}`)
    .replace(/dns_sd_configs:[\s\S]*$/, `static_configs:\n      - targets: [${targets}]\n`)
  if (!text.includes(targets) || !text.includes(deploy('alerts.yml')))
    throw new Error('prometheus.yml has changed: see configFor')
  return text
}
