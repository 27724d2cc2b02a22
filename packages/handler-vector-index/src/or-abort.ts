/** The answer, or the signal's reason as soon as it aborts: the work goes on, and nobody hears of its failure then. `onLate` is given what it still answered. */
export async function orAbort<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  onLate?: (answer: T) => void,
): Promise<T> {
  if (signal === undefined) return work
  let stopListening: () => void = ignore
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    stopListening = () => signal.removeEventListener('abort', abort)
    if (signal.aborted) abort()
  })
  try {
    return await Promise.race([work, aborted])
  } catch (error) {
    work.then(onLate, () => {})
    throw error
  } finally {
    stopListening()
  }
}

function ignore(): void {}
