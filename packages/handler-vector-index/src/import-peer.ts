import { NonRetryableError } from '@mcp-worker/runtime'

/** Imports an optional package. Throws `ENGINE_NOT_INSTALLED` with the command that installs it. */
export async function importPeer<T>(engine: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error, name)) throw error
    throw new NonRetryableError(
      `the vector store "${engine}" needs the package ${name}, which is not installed: npm install ${name}`,
      { code: 'ENGINE_NOT_INSTALLED', cause: error },
    )
  }
}

/** Not where the package is there and misses one of its own. */
function isMissing(error: unknown, name: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    error.message.includes(`'${name}'`)
  )
}
