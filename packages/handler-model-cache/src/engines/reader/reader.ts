import { ModelError } from '../../errors.js'
import type { Host } from '../host/host.js'
import type { ReportProgress } from '../host/messages.js'
import { startThread } from '../host/thread.js'
import type { InspectInput, InspectOutput, ReaderCalls, ReadOutput } from './reader-thread.js'

const readerModule = new URL('reader-thread.js', import.meta.url)

interface ReadOptions {
  readonly signal: AbortSignal
  readonly progress?: ReportProgress
}

/** Looks at model files in a thread per call. An abort ends the thread, and rejects with the signal's reason after that. */
export interface FileReader {
  /** @param digest what the content must have (DIGEST_MISMATCH); null: not read */
  inspect(input: FileInput, options: ReadOptions): Promise<InspectOutput>
  read(input: FileInput, options: ReadOptions): Promise<ReadOutput>
  /** Ends what is under way. */
  close(): Promise<void>
}

interface FileInput extends Omit<InspectInput, 'hash'> {
  readonly digest: string | null
}

export function createFileReader(): FileReader {
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()

  async function run<Report extends { readonly digest: string | null }>(
    input: FileInput,
    options: ReadOptions,
    call: (thread: Host<ReaderCalls>, input: InspectInput, options: ReadOptions) => Promise<Report>,
  ): Promise<Report> {
    const signal = AbortSignal.any([options.signal, closing.signal])
    signal.throwIfAborted()
    const { digest, ...file } = input
    const thread = startThread<ReaderCalls>(readerModule, {
      what: `the reader of model ${JSON.stringify(file.name)}`,
    })
    const answer = call(thread, { ...file, hash: digest !== null }, { ...options, signal })
    const ended = Promise.allSettled([answer]).then(() => thread.end())
    running.add(ended)
    await ended
    running.delete(ended)
    const report = await answer
    refuseOtherDigest(input, report.digest)
    return report
  }
  return {
    inspect: (file, options) =>
      run(file, options, (thread, input, callOptions) => thread.call('inspect', input, callOptions)),
    read: (file, options) =>
      run(file, options, (thread, input, callOptions) => thread.call('read', input, callOptions)),
    async close() {
      closing.abort(new ModelError('CACHE_CLOSED', 'expected an open engine, got one that was closed'))
      await Promise.all(running)
    },
  }
}

function refuseOtherDigest({ name, digest }: FileInput, got: string | null): void {
  if (digest === null || got === digest.toLowerCase()) return
  throw new ModelError(
    'DIGEST_MISMATCH',
    `expected ${digest} as the digest of ${JSON.stringify(name)}, got ${got}`,
  )
}
