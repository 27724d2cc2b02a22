import { copyFile, link, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, onTestFinished } from 'vitest'

/** A folder for models of the test's own, gone after it. */
export async function modelFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'model-cache-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Puts the real models there that @ricky0123/vad-web ships: `small.onnx` (1.8 MB) and `other.onnx` (2.3 MB), voice detection by Silero. */
export async function putRealModels(folder: string): Promise<void> {
  const assets = dirname(fileURLToPath(import.meta.resolve('@ricky0123/vad-web')))
  await copyFile(join(assets, 'silero_vad_legacy.onnx'), join(folder, 'small.onnx'))
  await copyFile(join(assets, 'silero_vad_v5.onnx'), join(folder, 'other.onnx'))
}

/**
 * A large model, written once for all tests of a file at its first use, and put into the folder of each as a hard link.
 * @param write is given the path
 */
export function sharedModel(write: (path: string) => void): (path: string) => Promise<void> {
  let written: Promise<string> | null = null
  afterAll(async () => {
    if (written) await rm(await written, { recursive: true, force: true })
  })
  async function writeOnce(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'model-cache-'))
    write(join(folder, 'model'))
    return folder
  }
  return async (path) => {
    written ??= writeOnce()
    await link(join(await written, 'model'), path)
  }
}
