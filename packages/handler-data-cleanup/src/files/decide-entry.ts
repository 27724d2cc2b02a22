import type { Basis } from '../payload.js'
import type { Look } from './folder.js'
import type { Matcher } from './patterns.js'

/** Why an entry stays. */
export type SkipReason =
  | 'young'
  | 'future'
  | 'excluded'
  | 'not_included'
  | 'latest'
  | 'not_needed'
  | 'too_large'
  | 'open'
  | 'hard_linked'
  | 'other_mount'
  | 'fifo'
  | 'socket'
  | 'device'
  | 'too_deep'
  | 'changed'
  | 'moved'
  | 'vanished'
  | 'referenced'

export interface EntryRules {
  readonly basis: Basis
  /** Milliseconds since the epoch: only what is older goes. */
  readonly cutoff: number
  readonly now: () => number
  readonly included: Matcher
  readonly excluded: Matcher
  readonly isLatest: (path: string) => boolean
  readonly isOpen: (device: number, inode: number) => boolean
  readonly allowHardLinks: boolean
}

export type Decision =
  | { readonly go: true }
  /** `matched`: old enough and let through by the patterns, and kept for another reason. */
  | { readonly go: false; readonly reason: SkipReason; readonly matched: boolean }

const GO: Decision = { go: true }

/** Of a file or link; `path` below the root. */
export function decideEntry(look: Look, path: string, rules: EntryRules): Decision {
  if (look.kind !== 'file' && look.kind !== 'link')
    return stay(look.kind === 'directory' ? 'changed' : look.kind)
  const unwanted = decidePath(path, rules)
  if (unwanted !== null) return stay(unwanted)
  const age = decideAge(timeOf(look, rules.basis), rules)
  if (age !== null) return stay(age)
  if (rules.isLatest(path)) return stay('latest', true)
  if (look.kind === 'file') {
    if (look.links > 1 && !rules.allowHardLinks) return stay('hard_linked', true)
    if (rules.isOpen(look.device, look.inode)) return stay('open', true)
  }
  return GO
}

export function decidePath(path: string, rules: EntryRules): 'excluded' | 'not_included' | null {
  if (rules.excluded(path)) return 'excluded'
  return rules.included(path) ? null : 'not_included'
}

export function decideAge(time: number, rules: EntryRules): 'future' | 'young' | null {
  if (time > rules.now()) return 'future'
  return time < rules.cutoff ? null : 'young'
}

export function timeOf(look: Look, basis: Basis): number {
  if (basis === 'mtime') return look.mtimeMs
  if (basis === 'atime') return look.atimeMs
  if (basis === 'ctime') return look.ctimeMs
  return Math.max(look.mtimeMs, look.ctimeMs)
}

function stay(reason: SkipReason, matched = false): Decision {
  return { go: false, reason, matched }
}
