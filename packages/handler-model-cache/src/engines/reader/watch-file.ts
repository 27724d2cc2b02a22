import { stat } from 'node:fs/promises'
import { callAfter } from '../../timers.js'
import { identityOf } from './file-identity.js'

/**
 * Calls back once when the file is another than it was, or has gone. Looks at it every so often, since notifications do not work on every file system
 * that models are kept on. Answers the function that stops the watch.
 */
export function watchFile(
  path: string,
  identity: string,
  intervalMs: number,
  onChange: (what: 'changed' | 'gone') => void,
): () => void {
  let stopped = false
  let cancel = callAfter(intervalMs, () => void look())

  async function look(): Promise<void> {
    const now = await currentIdentity(path)
    if (stopped) return
    if (now === identity || now === 'unknown') {
      cancel = callAfter(intervalMs, () => void look())
      return
    }
    stopped = true
    onChange(now === 'gone' ? 'gone' : 'changed')
  }
  return () => {
    stopped = true
    cancel()
  }
}

/** `unknown`: it cannot be said now (the file system does not answer). */
export async function currentIdentity(path: string): Promise<string> {
  try {
    return identityOf(await stat(path, { bigint: true }))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'gone' : 'unknown'
  }
}
