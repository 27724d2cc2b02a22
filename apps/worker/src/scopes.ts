import { z } from 'zod'

/** What a token may do. `admin` may do everything; `submit:*` and `query:*` stand for every type and every query. */
export type Scope = 'read' | 'operate' | 'admin' | `submit:${string}` | `query:${string}`

/** The token itself, wherever it is written. */
export const tokenTextSchema = z
  .string()
  .regex(/^[\x21-\x7e]{16,512}$/, { error: 'expected 16 to 512 visible ASCII characters, no spaces' })

const SCOPE = /^(read|operate|admin|(submit|query):(\*|[a-z][a-z0-9_.-]{0,63}))$/

export const scopeSchema = z.string().refine((text): text is Scope => SCOPE.test(text), {
  error: 'expected read, operate, admin, submit:<type>, submit:*, query:<name> or query:*',
})

export function allows(granted: readonly Scope[], wanted: Scope): boolean {
  if (granted.includes('admin') || granted.includes(wanted)) return true
  const kind = /^(submit|query):/.exec(wanted)?.[1]
  return kind !== undefined && granted.includes(`${kind}:*` as Scope)
}
