import { setTimeout } from 'node:timers/promises'
import { ModelError } from '../../errors.js'
import { timeoutSignal } from '../../timers.js'
import { canonicalName } from './model-name.js'
import type { OllamaServer, RunningModel } from './server.js'

const pollMs = 100

/**
 * Asks the server to unload the model and resolves when it no longer lists it. Rejects with UNLOAD_FAILED where that is not known after the time, or
 * with the signal's reason.
 */
export async function unloadModel(
  server: OllamaServer,
  model: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const timeout = timeoutSignal(timeoutMs)
  const both = AbortSignal.any([signal, timeout])
  try {
    await server.askToUnload(model, both)
    while (await findRunning(server, model, both, timeoutMs))
      await setTimeout(pollMs, undefined, { signal: both })
  } catch (cause) {
    signal.throwIfAborted()
    const problem = timeout.aborted
      ? `expected the server to unload ${JSON.stringify(model)} within ${timeoutMs} ms, it still lists it`
      : `expected the server to unload ${JSON.stringify(model)}, got an error`
    throw new ModelError('UNLOAD_FAILED', problem, { cause })
  }
}

/** @param timeoutMs default: as for any question */
export async function findRunning(
  server: OllamaServer,
  model: string,
  signal: AbortSignal,
  timeoutMs?: number,
): Promise<RunningModel | null> {
  const name = canonicalName(model)
  const running = await server.running(signal, timeoutMs)
  return running.find((candidate) => canonicalName(candidate.name) === name) ?? null
}
