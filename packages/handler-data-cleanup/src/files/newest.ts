/** The `count` newest of any number of files, in memory for about twice as many. */
export interface Newest {
  add(path: string, time: number): void
  /** Ties go to the path that sorts first. */
  paths(): ReadonlySet<string>
}

export function createNewest(count: number): Newest {
  let kept: { readonly path: string; readonly time: number }[] = []
  const trim = () => {
    kept = kept.toSorted((a, b) => b.time - a.time || (a.path < b.path ? -1 : 1)).slice(0, count)
  }
  return {
    add(path, time) {
      kept.push({ path, time })
      if (kept.length >= 2 * count + 1_000) trim()
    },
    paths() {
      trim()
      return new Set(kept.map(({ path }) => path))
    },
  }
}
