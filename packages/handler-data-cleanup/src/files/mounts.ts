import { readFile } from 'node:fs/promises'
import { type ByteString } from './names.js'

/** Where file systems are mounted, as byte strings; bind mounts too, which `st_dev` does not tell. Null where the system does not say. */
export async function readMounts(): Promise<ReadonlySet<ByteString> | null> {
  if (process.platform !== 'linux') return null
  try {
    // https://www.kernel.org/doc/html/latest/filesystems/proc.html, 3.5: the fifth field, octal escapes for white space
    const lines = (await readFile('/proc/self/mountinfo', 'latin1')).split('\n')
    const points = lines.map((line) => line.split(' ')[4]).filter((point) => point !== undefined)
    return new Set(points.map((point) => point.replaceAll(/\\([0-7]{3})/g, (_, octal) => unescape8(octal))))
  } catch {
    return null
  }
}

function unescape8(octal: unknown): string {
  return String.fromCharCode(Number.parseInt(String(octal), 8))
}
