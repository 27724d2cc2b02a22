import { z } from 'zod'
import { createInlineHost } from '../src/host/inline.js'
import type { HostSurroundings } from '../src/host/host.js'
import { definePlugin, type Plugin, type PluginDefinition, type RunContext } from '../src/plugin.js'
import { never, testSurroundings } from './host-fixtures.js'

type Definition = PluginDefinition<z.ZodType, unknown, {}, readonly [], readonly []>

interface EchoPlugin {
  readonly run?: (context: RunContext<unknown, unknown, unknown>) => unknown
  readonly query?: (context: { readonly input: unknown; readonly signal: AbortSignal }) => unknown
  readonly rest?: Partial<Pick<Definition, 'setup' | 'health' | 'teardown' | 'uses' | 'provides'>>
}

/** A plugin with one handler `t` and one query `q` of 50 ms. */
export function pluginOf({ run = () => null, query = () => ({}), rest = {} }: EchoPlugin): Plugin {
  return definePlugin({
    contract: 1,
    name: '@acme/echo',
    version: '1.0.0',
    module: import.meta.url,
    options: z.unknown(),
    handlers: (handler) => [handler('t', { payload: z.unknown(), result: z.unknown(), run })],
    queries: (define) => [
      define('q', {
        input: z.strictObject({ n: z.int() }),
        output: z.object({}),
        timeout: '50ms',
        run: query as never,
      }),
    ],
    ...(rest as object),
  })()
}

/** It in an inline host that has started. */
export async function started(plugin: EchoPlugin, options: Partial<HostSurroundings> = {}) {
  const around = testSurroundings(options)
  const host = createInlineHost(pluginOf(plugin), around)
  await host.start(never)
  return { host, around }
}
