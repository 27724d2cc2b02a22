export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
}

/** A promise that is resolved from outside. */
export function createDeferred<T>(): Deferred<T> {
  const settle: { with?: (value: T) => void } = {}
  const promise = new Promise<T>((resolve) => {
    settle.with = resolve
  })
  return { promise, resolve: (value) => settle.with?.(value) }
}
