import { createHash, timingSafeEqual } from 'node:crypto'
import type { Token } from '../configuration.js'
import { type Scope, allows } from '../scopes.js'
import { ApiError } from './problem.js'

/** Who asks. */
export interface Principal {
  /** The token's name; idempotency keys are kept apart by it. */
  readonly name: string
  readonly scopes: readonly Scope[]
}

/** Without any token configured (loopback only) everybody is this one. */
const LOCAL: Principal = { name: 'local', scopes: ['admin'] }

/**
 * Answers the check of an `Authorization` header; it throws `unauthorised`. Tokens are compared by their hashes, each in constant time and
 * always all of them, so that the time says neither how much of a token was right nor whose it is.
 */
export function createAuthenticator(tokens: readonly Token[]): (header: string | undefined) => Principal {
  const known = tokens.map(({ name, scopes, token }) => ({ name, scopes, digest: digestOf(token) }))
  return (header) => {
    if (known.length === 0) return LOCAL
    const given = digestOf(/^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '')
    let found: Principal | null = null
    for (const one of known) {
      if (timingSafeEqual(one.digest, given)) found = one
    }
    if (found !== null) return found
    const challenge = { 'www-authenticate': 'Bearer realm="mcp-worker"' }
    const what = header === undefined ? 'no token was given' : 'the token is not known'
    throw new ApiError('unauthorised', what, { headers: challenge })
  }
}

/** Throws `forbidden`, naming the scope. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (allows(principal.scopes, scope)) return
  throw new ApiError('forbidden', `the token ${principal.name} has no scope ${scope}`, {
    details: { required_scope: scope },
  })
}

/** As `requireScope` for each item of a batch; the faults name the refused ones. */
export function requireSubmitScopes(principal: Principal, types: readonly string[]): void {
  const faults = types.flatMap((type, i) =>
    allows(principal.scopes, `submit:${type}`)
      ? []
      : [
          {
            path: `tasks[${i}].type`,
            message: `the token ${principal.name} has no scope submit:${type}`,
          },
        ],
  )
  if (faults.length > 0)
    throw new ApiError('forbidden', `${faults.length} task(s) may not be submitted`, { faults })
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
