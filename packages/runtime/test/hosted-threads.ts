import { afterEach } from 'vitest'
import { createThreadHost, type ThreadTiming } from '../dist/host/thread.js'
import type { HostSurroundings, Outcome, PluginHost } from '../src/host/host.js'
import type { Plugin } from '../src/plugin.js'
import hosted from './fixtures/hosted.fixture.js'
import { never, testSurroundings, testWork } from './host-fixtures.js'

type Options = Parameters<typeof hosted>[0]

const hosts: PluginHost[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop(2_000).catch(() => {})))
})

interface Setting {
  readonly options?: Options
  readonly around?: Partial<HostSurroundings>
  readonly timing?: Partial<ThreadTiming>
  readonly plugin?: Partial<Plugin>
}

/** The plugin of the fixture in real threads; they are gone after the test. */
export function hostOf({ options = {}, around = {}, timing = {}, plugin = {} }: Setting = {}) {
  const made = { ...hosted(options), ...plugin } as Plugin
  const surroundings = testSurroundings({ options: made.optionsSchema.parse(options), ...around })
  const host = createThreadHost(made, surroundings, timing)
  hosts.push(host)
  return { host, surroundings }
}

export async function started(setting: Setting = {}) {
  const { host, surroundings } = hostOf(setting)
  await host.start(never)
  return { host, surroundings }
}

export const performed = (host: PluginHost, type: string, payload: unknown = null) =>
  host.perform(testWork(type, payload).work)

export function resultOf(outcome: Outcome): unknown {
  if (outcome.kind !== 'succeeded') throw new Error(`expected a success, got ${JSON.stringify(outcome)}`)
  return JSON.parse(outcome.result)
}

export async function threadOf(host: PluginHost): Promise<unknown> {
  return (resultOf(await performed(host, 'echo')) as { threadId: unknown }).threadId
}
