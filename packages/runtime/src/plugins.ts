import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Registry as MetricsRegistry } from 'prom-client'
import { parseDuration } from './duration.js'
import { WorkerError } from './errors.js'
import type { CheckedPlugin } from './handshake.js'
import type { HostSurroundings, PluginHost } from './host/host.js'
import { createInlineHost } from './host/inline.js'
import { callImplementation, type Implementations } from './host/services.js'
import { createThreadHost } from './host/thread.js'
import { pluginLog } from './logger.js'
import { createPluginMetrics, metricPrefix } from './plugin-metrics.js'

export type HostedPlugin = CheckedPlugin & { readonly running: PluginHost }

export interface PluginsAround {
  readonly dataDir: string
  readonly logger: Logger
  readonly metrics: MetricsRegistry
  /** By name: services that the worker itself provides. */
  readonly builtIn: Implementations
}

/** Gives each plugin its host and connects services across hosts. Nothing is set up yet. */
export function hostPlugins(
  checked: readonly CheckedPlugin[],
  around: PluginsAround,
): readonly HostedPlugin[] {
  const providers = new Map<string, PluginHost>()
  const byPlugins = checked.flatMap(({ plugin }) => plugin.provides.map(({ token }) => token.service))
  const provided = new Set([...around.builtIn.keys(), ...byPlugins])
  const callService: HostSurroundings['callService'] = async (call, signal) => {
    if (around.builtIn.has(call.service)) return callImplementation(around.builtIn, call, signal)
    const provider = providers.get(call.service)
    if (!provider) throw new WorkerError('service_unavailable', `nobody provides the service ${call.service}`)
    return provider.call(call, signal)
  }
  return checked.map((one) => {
    const { plugin, host, options } = one
    const surroundings: HostSurroundings = {
      options,
      dataDir: join(around.dataDir, folderOf(plugin.name)),
      log: pluginLog(around.logger, { plugin: plugin.name }),
      metrics: createPluginMetrics(around.metrics, plugin.name),
      callService,
      provided,
    }
    const running =
      host === 'thread' ? createThreadHost(plugin, surroundings) : createInlineHost(plugin, surroundings)
    for (const { token } of plugin.provides) providers.set(token.service, running)
    return { ...one, running }
  })
}

/** `@acme/handler-vector-index` → `vector_index`, as in the names of its metrics. */
function folderOf(pluginName: string): string {
  return metricPrefix(pluginName).slice('mcp_worker_'.length, -1)
}

/** Sets up in order, each within its own time; what was set up already is torn down when one fails. */
export async function startPlugins(plugins: readonly HostedPlugin[]): Promise<void> {
  const started: HostedPlugin[] = []
  for (const hosted of plugins) {
    try {
      await hosted.running.start(AbortSignal.timeout(parseDuration(hosted.plugin.setupTimeout)))
      started.push(hosted)
    } catch (cause) {
      await stopPlugins(started, 5000)
      const reason = cause instanceof Error ? cause.message : String(cause)
      const fault = { path: hosted.plugin.name, message: `its setup failed: ${reason}` }
      throw new WorkerError('handshake_failed', `${hosted.plugin.name}: its setup failed: ${reason}`, {
        cause,
        faults: [fault],
      })
    }
  }
}

/** Users of services before their providers. Never rejects; a failing teardown is the plugin's matter. */
export async function stopPlugins(plugins: readonly HostedPlugin[], deadlineMs: number): Promise<void> {
  const end = performance.now() + deadlineMs
  for (const { running } of plugins.toReversed()) {
    await running.stop(Math.max(0, end - performance.now())).catch(() => {})
  }
}
