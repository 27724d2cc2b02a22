import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, loadavg, platform, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'

/** What a figure depends on beside the code. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  readonly fileSystem: string
  /** Median time to write 4 KiB and fsync it, in milliseconds. Far below 0.1: the disk does not wait, and durable rates mean little. */
  readonly fsyncMs: number
  /** Processes that wanted a core in the minute before; above the number of cores somebody else was working, and rates are too low. */
  readonly loadBefore: number
}

export function describeMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? '?',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    fileSystem: fileSystemOf(tmpdir()),
    fsyncMs: measureFsync(),
    loadBefore: round(loadavg()[0] ?? Number.NaN, 1),
  }
}

function fileSystemOf(folder: string): string {
  try {
    return execFileSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).trim()
  } catch {
    return '?'
  }
}

function measureFsync(): number {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-worker-fsync-'))
  const file = openSync(join(folder, 'probe'), 'w')
  const block = Buffer.alloc(4096, 1)
  const times = Array.from({ length: 200 }, () => {
    const from = performance.now()
    writeSync(file, block)
    fsyncSync(file)
    return performance.now() - from
  })
  closeSync(file)
  rmSync(folder, { recursive: true })
  return round(median(times), 3)
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}

/** The nearest rank; NaN of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
