import { access, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const deploy = new URL('../../../deploy/', import.meta.url)
const read = async <T>(path: string): Promise<T> => parse(await readFile(new URL(path, deploy), 'utf8')) as T

interface Service {
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const servicesOf = async (path: string) => Object.values((await read<Compose>(path)).services)

/** Ports of the host, ranges written out. */
function published(services: readonly Service[]): number[] {
  return services.flatMap(({ ports = [] }) =>
    ports.flatMap((port) => {
      const [, first, last = first] = /^127\.0\.0\.1:(\d+)(?:-(\d+))?:/.exec(port) ?? []
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i)
    }),
  )
}

describe('deploy/compose.monitoring.yaml', () => {
  it('publishes on loopback only, no port that the workers have', async () => {
    const ours = await servicesOf('compose.monitoring.yaml')
    for (const port of ours.flatMap(({ ports = [] }) => ports)) expect(port).toMatch(/^127\.0\.0\.1:/)
    const all = published([...ours, ...(await servicesOf('compose.yaml'))])
    expect(all.length).toBeGreaterThan(2)
    expect(new Set(all).size).toBe(all.length)
  })

  it('mounts files that are there, and volumes that it names', async () => {
    const { services, volumes } = await read<Compose>('compose.monitoring.yaml')
    const sources = Object.values(services)
      .flatMap((service) => service.volumes ?? [])
      .map((mount) => mount.split(':')[0] ?? '')
    const files = sources.filter((from) => from.startsWith('.'))
    await Promise.all(files.map((from) => access(new URL(from, deploy))))
    const named = sources.filter((from) => !from.startsWith('.'))
    expect(named).toEqual(Object.keys(volumes))
  })

  it('has Grafana ask the Prometheus of the same file, and find the dashboard where it is mounted', async () => {
    const { services } = await read<Compose>('compose.monitoring.yaml')
    const { datasources } = await read<{ datasources: readonly { readonly url: string }[] }>(
      'grafana/provisioning/datasources/prometheus.yaml',
    )
    const { hostname, port } = new URL(datasources[0]?.url ?? '')
    expect(Object.keys(services)).toContain(hostname)
    expect(services[hostname]?.ports?.[0]).toMatch(new RegExp(`:${port}$`))
    const { providers } = await read<{
      providers: readonly { readonly options: { readonly path: string } }[]
    }>('grafana/provisioning/dashboards/files.yaml')
    expect(services['grafana']?.volumes).toContain(`./grafana/dashboards:${providers[0]?.options.path}:ro`)
  })

  it('scrapes the service of compose.yaml on its port', async () => {
    const { scrape_configs: configs } = await read<{
      readonly scrape_configs: readonly {
        readonly job_name: string
        readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly port: number }[]
      }[]
    }>('prometheus/prometheus.yml')
    const { services } = await read<Compose>('compose.yaml')
    expect(Object.keys(services)).toEqual(configs[0]?.dns_sd_configs[0]?.names)
    expect(configs[0]).toMatchObject({ job_name: 'mcp-worker', dns_sd_configs: [{ port: 9090 }] })
  })
})
