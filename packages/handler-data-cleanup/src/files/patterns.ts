/** Does a path below the root, with slashes, match? */
export type Matcher = (path: string) => boolean

/** Matches where one of the patterns does. Time is bounded by the product of the lengths, whatever the pattern (no regular expressions). */
export function matcherOf(patterns: readonly string[]): Matcher {
  const compiled = patterns.map(compile)
  return (path) => compiled.some((matches) => matches(path))
}

function compile(pattern: string): Matcher {
  const segments = pattern.split('/').filter((segment) => segment !== '' && segment !== '.')
  if (!pattern.includes('/')) return (path) => matchesName(pattern, path.slice(path.lastIndexOf('/') + 1))
  return (path) => matchesPath(segments, path.split('/'))
}

/** `**` stands for any number of folders, none included. */
function matchesPath(pattern: readonly string[], path: readonly string[]): boolean {
  // reachable[j]: the pattern so far can end after j names
  let reachable = path.map(() => false)
  reachable = [true, ...reachable]
  for (const segment of pattern) {
    const next = reachable.map(() => false)
    for (const [j, can] of reachable.entries()) {
      if (segment === '**') next[j] = can || (j > 0 && next[j - 1] === true)
      else if (can && j < path.length && matchesName(segment, path[j] ?? '')) next[j + 1] = true
    }
    reachable = next
  }
  return reachable.at(-1) === true
}

/** `*`: any characters, `?`: one. On a mismatch only the last star is tried again: linear in practice, never exponential. */
function matchesName(pattern: string, name: string): boolean {
  let p = 0
  let n = 0
  let star = -1
  let retry = 0
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++
      retry = n
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p++
      n++
    } else if (star >= 0) {
      p = star + 1
      n = ++retry
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}
