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

interface ReaderFace {
  /** @param digest what the content must have (DIGEST_MISMATCH); null: not read */
  inspect(input: FileInput, options: ReadOptions): Promise<InspectOutput>
  read(input: FileInput, options: ReadOptions): Promise<ReadOutput>
}

/** Looks at model files in a thread. An abort ends the thread, and rejects with the signal's reason after that. */
export interface FileReader extends ReaderFace {
  /** Several calls in one thread, which ends after `work`: to start one takes tens of milliseconds. */
  within<T>(name: string, signal: AbortSignal, work: (calls: ReaderFace) => Promise<T>): Promise<T>
  /** Ends what is under way. */
  close(): Promise<void>
}

interface FileInput extends Omit<InspectInput, 'hash'> {
  readonly digest: string | null
}

export function createFileReader(): FileReader {
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()

  const within: FileReader['within'] = async (name, given, work) => {
    AbortSignal.any([given, closing.signal]).throwIfAborted()
    const thread = startThread<ReaderCalls>(readerModule, {
      what: `the reader of model ${JSON.stringify(name)}`,
    })
    const answer = work(callsIn(thread, closing.signal))
    const ended = Promise.allSettled([answer]).then(() => thread.end())
    running.add(ended)
    await ended
    running.delete(ended)
    return answer
  }
  return {
    within,
    inspect: (file, options) => within(file.name, options.signal, (thread) => thread.inspect(file, options)),
    read: (file, options) => within(file.name, options.signal, (thread) => thread.read(file, options)),
    async close() {
      closing.abort(new ModelError('CACHE_CLOSED', 'expected an open engine, got one that was closed'))
      await Promise.all(running)
    },
  }
}

function callsIn(thread: Host<ReaderCalls>, closing: AbortSignal): ReaderFace {
  const prepare = ({ digest, ...file }: FileInput, options: ReadOptions) => {
    const input = { ...file, hash: digest !== null }
    return [input, { ...options, signal: AbortSignal.any([options.signal, closing]) }] as const
  }
  return {
    async inspect(file, options) {
      const report = await thread.call('inspect', ...prepare(file, options))
      refuseOtherDigest(file, report.digest)
      return report
    },
    async read(file, options) {
      const report = await thread.call('read', ...prepare(file, options))
      refuseOtherDigest(file, report.digest)
      return report
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
