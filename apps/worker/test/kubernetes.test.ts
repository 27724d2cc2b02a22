import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Deployment, type IDeployment } from 'kubernetes-models/apps/v1'
import { PersistentVolumeClaim, Service } from 'kubernetes-models/v1'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readEnvironment } from '../src/environment.js'

const FILE = new URL('../../../deploy/kubernetes/mcp-worker.yaml', import.meta.url)
const DOCKERFILE = new URL('../../../Dockerfile', import.meta.url)

type Manifest = Readonly<Record<string, unknown>> & { readonly kind: string }

const MODELS = {
  PersistentVolumeClaim: {
    from: 'kubernetes-models/v1',
    check: (one: never) => new PersistentVolumeClaim(one),
  },
  Deployment: { from: 'kubernetes-models/apps/v1', check: (one: never) => new Deployment(one) },
  Service: { from: 'kubernetes-models/v1', check: (one: never) => new Service(one) },
} as const

async function manifests(): Promise<readonly Manifest[]> {
  return parseAllDocuments(await readFile(FILE, 'utf8')).map((one) => one.toJS() as Manifest)
}

async function deployment() {
  const found = (await manifests()).find(({ kind }) => kind === 'Deployment')
  const { spec } = found as unknown as IDeployment
  const pod = spec?.template.spec
  const container = pod?.containers[0]
  if (spec === undefined || pod === undefined || container === undefined) throw new Error('no container')
  return { spec, pod, container }
}

/** What the compiler says of this text, beside this package's modules. */
async function compile(text: string): Promise<string> {
  const folder = await mkdtemp(
    join(fileURLToPath(new URL('../node_modules', import.meta.url)), '.kubernetes-'),
  )
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'manifests.ts')
  await writeFile(file, text)
  const typescript = createRequire(new URL('../../../package.json', import.meta.url)).resolve(
    'typescript/package.json',
  )
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'nodenext',
    '--ignoreConfig',
    '--types',
    '',
  ]
  const run = promisify(execFile)(process.execPath, [join(dirname(typescript), 'bin/tsc'), ...options, file])
  return run.then(
    () => '',
    (error: { readonly stdout: string }) => error.stdout,
  )
}

function typed(all: readonly Manifest[]): string {
  return all
    .map((one, i) => {
      const { from } = MODELS[one.kind as keyof typeof MODELS]
      return `export const _${i}: import('${from}').I${one.kind} = ${JSON.stringify(one)}`
    })
    .join('\n')
}

describe('deploy/kubernetes/mcp-worker.yaml', () => {
  it("is valid by Kubernetes' own schemas", async () => {
    const all = await manifests()
    expect(all.map(({ kind }) => kind)).toEqual(Object.keys(MODELS))
    for (const one of all) MODELS[one.kind as keyof typeof MODELS].check(one as never).validate()
  })

  it('has no key that Kubernetes does not know, which it would ignore', async () => {
    const all = await manifests()
    expect(await compile(typed(all))).toBe('')
    const misspelt = JSON.parse(JSON.stringify(all).replace('readinessProbe', 'readynessProbe')) as Manifest[]
    expect(await compile(typed(misspelt))).toContain('readynessProbe')
  })

  it('gives a shutdown more time than it may take', async () => {
    const { pod, container } = await deployment()
    const { SHUTDOWN_TIMEOUT } = readEnvironment(variablesOf(container)).environment
    expect(Number(pod.terminationGracePeriodSeconds) * 1_000).toBeGreaterThan(SHUTDOWN_TIMEOUT + 1_000)
  })

  it('sets variables that the service takes as they are', async () => {
    const { faults, suspects } = readEnvironment(variablesOf((await deployment()).container))
    expect({ faults, suspects }).toEqual({ faults: [], suspects: [] })
  })

  it('runs one pod per volume, as the user of the image, and mounts what the image writes to', async () => {
    const { spec, pod, container } = await deployment()
    expect(spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
    expect(pod.securityContext).toMatchObject({ runAsUser: 1000, fsGroup: 1000, runAsNonRoot: true })
    const dockerfile = await readFile(DOCKERFILE, 'utf8')
    const mounts = container.volumeMounts?.map(({ mountPath }) => mountPath)
    expect(mounts).toEqual(['/data', '/tmp'])
    for (const path of ['DATA_DIR=/data', 'CLEANUP_TEMP_ROOT=/tmp']) expect(dockerfile).toContain(path)
  })

  it('asks /livez whether it lives and /readyz whether it can accept, on the port of the image', async () => {
    const { container } = await deployment()
    const { livenessProbe, readinessProbe, startupProbe, ports } = container
    expect(livenessProbe?.httpGet).toMatchObject({ path: '/livez', port: 'metrics' })
    expect(readinessProbe?.httpGet).toMatchObject({ path: '/readyz', port: 'metrics' })
    expect(startupProbe?.httpGet).toMatchObject({ path: '/readyz', port: 'metrics' })
    const { API_PORT, METRICS_PORT } = readEnvironment({}).environment
    expect(ports).toEqual([
      { name: 'api', containerPort: API_PORT },
      { name: 'metrics', containerPort: METRICS_PORT },
    ])
  })
})

type Variables = readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[]

/** A secret's value is a text of the length that `openssl rand -hex 32` makes. */
function variablesOf({ env = [] }: { readonly env?: Variables }): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value = 'f'.repeat(64) }) => [name, value]))
}
