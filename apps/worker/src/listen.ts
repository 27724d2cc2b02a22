import type { FastifyInstance } from 'fastify'
import { WorkerError } from '@mcp-worker/runtime'

export interface Listening {
  readonly host: string
  readonly port: number
  readonly url: string
}

/** Starts to listen. A port or address that cannot be had is a fault of the configuration, told by the variables' names. */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  prefix: 'API' | 'METRICS',
): Promise<Listening> {
  try {
    await app.listen({ host: host.replaceAll(/^\[|\]$/g, ''), port })
  } catch (cause) {
    const fault = listenFault(cause, host, port, prefix)
    if (fault === null) throw cause
    throw new WorkerError('bad_configuration', fault.message, { cause, faults: [fault] })
  }
  const address = app.server.address()
  const actual = typeof address === 'object' && address !== null ? address.port : port
  const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return { host, port: actual, url: `http://${shown}:${actual}` }
}

function listenFault(cause: unknown, host: string, port: number, prefix: string) {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null
  switch (code) {
    case 'EADDRINUSE':
      return {
        path: `${prefix}_PORT`,
        message: `port ${port} of ${host} is in use by another process; expected a free one (0: any)`,
      }
    case 'EACCES':
      return {
        path: `${prefix}_PORT`,
        message: `port ${port} may not be used by this user; expected one above 1023`,
      }
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        path: `${prefix}_HOST`,
        message: `${host} is not an address of this machine; expected one of its own, 127.0.0.1 or 0.0.0.0`,
      }
    default:
      return null
  }
}
