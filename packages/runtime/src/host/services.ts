import { WorkerError } from '../errors.js'
import type { Plugin } from '../plugin.js'
import type { HostSurroundings } from './host.js'

type CallService = HostSurroundings['callService']
type Method = (...args: readonly unknown[]) => Promise<unknown>

/** What a plugin sees as `services`: a stand-in for each service it uses, `undefined` for an optional one that nobody provides. */
export function servicesOf(
  uses: Plugin['uses'],
  around: { readonly provided: ReadonlySet<string>; readonly callService: CallService },
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(uses).map(([name, { service }]) => {
    return [name, around.provided.has(service) ? standIn(service, around.callService) : undefined] as const
  })
  return Object.fromEntries(entries)
}

/** Any method name will do: the provider knows what it has. `then` is none, or an `await` of the stand-in would call it. */
function standIn(service: string, callService: CallService): unknown {
  const methods = new Map<string, Method>()
  return new Proxy(Object.freeze({}), {
    get(_target, name) {
      if (typeof name !== 'string' || name === 'then') return undefined
      let method = methods.get(name)
      if (method === undefined) {
        method = (...args) => callService(service, name, args)
        methods.set(name, method)
      }
      return method
    },
  })
}

/** The implementations of what a plugin provides, by the service's name. */
export function implementationsOf(plugin: Plugin, deps: unknown): ReadonlyMap<string, unknown> {
  return new Map(plugin.provides.map(({ token, implement }) => [token.service, implement({ deps })]))
}

export async function callImplementation(
  implementations: ReadonlyMap<string, unknown>,
  service: string,
  method: string,
  args: readonly unknown[],
): Promise<unknown> {
  const implementation = implementations.get(service)
  if (typeof implementation !== 'object' || implementation === null)
    throw new WorkerError('service_unavailable', `the plugin does not provide the service ${service}`)
  const found: unknown = method in Object.prototype ? undefined : Reflect.get(implementation, method)
  if (typeof found !== 'function')
    throw new WorkerError('service_unavailable', `the service ${service} has no method ${method}`)
  return Reflect.apply(found, implementation, [...args])
}
