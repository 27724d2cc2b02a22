/** The known name that was probably meant: at most a third of its letters differ. Null where nothing comes close. */
export function nearestName(given: string, known: Iterable<string>): string | null {
  let nearest: string | null = null
  let least = Number.POSITIVE_INFINITY
  for (const name of known) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase())
    if (distance >= least || distance > Math.max(1, name.length / 3)) continue
    least = distance
    nearest = name
  }
  return nearest
}

/** Letters to insert, remove or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced))
    }
    above = row
  }
  return above[b.length] ?? 0
}
