import { readdir, readFile } from 'node:fs/promises'

/** The processes that ONNX models live in, children of this one. Linux only. */
export async function onnxChildren(): Promise<readonly number[]> {
  const lists = await Promise.all(
    (await readdir('/proc/self/task')).map((task) => readOrNothing(`/proc/self/task/${task}/children`)),
  )
  const children = lists.join(' ').split(/\s+/).filter(Boolean)
  const found: number[] = []
  for (const pid of children) {
    const command = await readOrNothing(`/proc/${pid}/cmdline`)
    if (command.includes('onnx-child')) found.push(Number(pid))
  }
  return found
}

/** Resident memory of a process in bytes; 0: there is none. */
export async function residentBytes(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readOrNothing(`/proc/${pid}/status`)) ?? []
  return Number(kilobytes ?? 0) * 1024
}

async function readOrNothing(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
