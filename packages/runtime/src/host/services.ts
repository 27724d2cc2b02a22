import { WorkerError } from '../errors.js'
import type { Plugin } from '../plugin.js'
import type { HostSurroundings, ServiceCall } from './host.js'
import { raceAbort } from './race-abort.js'

type CallService = HostSurroundings['callService']
type Method = (...args: readonly unknown[]) => Promise<unknown>

/** Makes what a plugin sees as `services` from the signal under which it calls. */
export type ServicesUnder = (signal: () => AbortSignal) => Readonly<Record<string, unknown>>

/** A stand-in for each service that a plugin uses, `undefined` for an optional one that nobody provides. */
export function servicesOf(
  uses: Plugin['uses'],
  around: { readonly provided: ReadonlySet<string>; readonly callService: CallService },
): ServicesUnder {
  const used = Object.entries(uses)
  const none = Object.freeze({})
  if (used.length === 0) return () => none
  return (signal) => {
    const entries = used.map(([name, { service }]) => {
      const found = around.provided.has(service) ? standIn(service, around.callService, signal) : undefined
      return [name, found] as const
    })
    return Object.fromEntries(entries)
  }
}

/** Any method name will do: the provider knows what it has. `then` is none, or an `await` of the stand-in would call it. */
function standIn(service: string, callService: CallService, signal: () => AbortSignal): unknown {
  const methods = new Map<string, Method>()
  return new Proxy(Object.freeze({}), {
    get(_target, name) {
      if (typeof name !== 'string' || name === 'then') return undefined
      let method = methods.get(name)
      if (method === undefined) {
        method = async (...args) => {
          const caller = signal()
          return raceAbort(callService({ service, method: name, args }, caller), caller)
        }
        methods.set(name, method)
      }
      return method
    },
  })
}

/** What a plugin provides, by the service's name: called with the signal of a call, for that call. */
export type Implementations = ReadonlyMap<string, (signal: AbortSignal) => unknown>

export function implementationsOf(plugin: Plugin, deps: unknown): Implementations {
  return new Map(
    plugin.provides.map(({ token, implement }) => [token.service, (signal) => implement({ deps, signal })]),
  )
}

export async function callImplementation(
  implementations: Implementations,
  { service, method, args }: ServiceCall,
  signal: AbortSignal,
): Promise<unknown> {
  const implementation = implementations.get(service)?.(signal)
  if (typeof implementation !== 'object' || implementation === null)
    throw new WorkerError('service_unavailable', `the plugin does not provide the service ${service}`)
  const found: unknown = method in Object.prototype ? undefined : Reflect.get(implementation, method)
  if (typeof found !== 'function')
    throw new WorkerError('service_unavailable', `the service ${service} has no method ${method}`)
  return Reflect.apply(found, implementation, [...args])
}
