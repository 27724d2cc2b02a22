import { registerHooks } from 'node:module'

/**
 * Imports a module as if the import stood in `parentUrl`, and falls back to what this application has installed: a configuration file may lie
 * anywhere (a mounted folder, for example) and still import `@mcp-worker/worker` and the handler packages.
 */
export async function importFrom(specifier: string, parentUrl: string): Promise<Record<string, unknown>> {
  const own = import.meta.url
  const hooks = registerHooks({
    resolve(wanted, context, next) {
      const parent = context.parentURL === own && wanted === specifier ? parentUrl : context.parentURL
      try {
        return next(wanted, { ...context, parentURL: parent })
      } catch (error) {
        if (!isBare(wanted) || !isMissing(error)) throw error
        try {
          return next(wanted, { ...context, parentURL: own })
        } catch {
          // the message should name the place where the import was written
          throw error
        }
      }
    },
  })
  try {
    return (await import(specifier)) as Record<string, unknown>
  } finally {
    hooks.deregister()
  }
}

function isBare(specifier: string): boolean {
  return !/^(\.{0,2}\/|[a-z]+:)/i.test(specifier)
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
}
