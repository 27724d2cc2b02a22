import { readFile } from 'node:fs/promises'
import type { ReportProgress } from '../host/messages.js'

const intervalMs = 100

/**
 * Reports how much a child has read until it is stopped: its load is one call that tells nothing, but Linux counts what a process reads. Elsewhere
 * nothing is reported. Never backwards, never more than the total. Answers the function that stops it.
 */
export function reportReading(pid: number, totalBytes: number, progress: ReportProgress): () => void {
  let before: number | null = null
  let done = 0
  let stopped = false

  async function look(): Promise<void> {
    const now = await readBytes(pid)
    if (stopped || now === null) return
    before ??= now
    const read = Math.min(totalBytes, now - before)
    if (read > done) progress((done = read), totalBytes)
  }
  const timer = setInterval(() => void look(), intervalMs)
  void look()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

async function readBytes(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/io`, 'utf8').catch(() => '')
  const [, count] = /^rchar: (\d+)$/m.exec(text) ?? []
  return count === undefined ? null : Number(count)
}
