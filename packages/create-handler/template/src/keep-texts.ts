import type { RunContext } from '@mcp-worker/runtime'
import type { Payload, Result } from './schemas.ts'
import type { TextFolder } from './text-folder.ts'

/**
 * The work. It may be stopped anywhere and delivered again, so that each step can be done twice without harm, and what is done is noted in the
 * checkpoint.
 */
export async function keepTexts(context: RunContext<Payload, TextFolder, unknown>): Promise<Result> {
  const { payload, deps: folder, signal, checkpoint, progress, log } = context
  const done = checkpoint.get<number>() ?? 0
  if (done > 0) log.info('resumed', { done })
  for (const [index, text] of payload.texts.entries()) {
    if (index < done) continue
    signal.throwIfAborted()
    await folder.keep(text)
    await checkpoint.set(index + 1)
    progress(index + 1, payload.texts.length)
  }
  return { kept: payload.texts.length }
}
