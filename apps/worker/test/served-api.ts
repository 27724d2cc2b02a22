import { createLogger, createWorker, memoryQueue, type Worker } from '@mcp-worker/runtime'
import { onTestFinished } from 'vitest'
import { createApi } from '../dist/api/server.js'
import { temporaryFolder } from './running-service.js'

interface ServedApi {
  readonly url: string
  readonly worker: Worker
  /** Ends held answers, as the service does when it closes. */
  readonly endHeld: () => void
}

/** The API in this process over a real worker, of which the test may watch or hold single calls. */
export async function serveApi(watch: (worker: Worker) => Partial<Worker> = () => ({})): Promise<ServedApi> {
  const log = createLogger({ destination: { write: () => undefined } })
  const dataDir = await temporaryFolder()
  const worker = createWorker({ plugins: [], queue: memoryQueue(), dataDir, logger: log })
  await worker.start()
  onTestFinished(async () => void (await worker.stop({ timeoutMs: 1_000 })))
  const closing = new AbortController()
  const { app } = createApi({
    worker: { ...worker, ...watch(worker) },
    runsTasks: true,
    tokens: [],
    allowedHosts: [],
    version: '1',
    log,
    closing: closing.signal,
  })
  onTestFinished(async () => {
    closing.abort()
    await app.close()
  })
  return { worker, endHeld: () => closing.abort(), url: await app.listen({ host: '127.0.0.1', port: 0 }) }
}
