import { readdir, readFile } from 'node:fs/promises'

/** How many threads of the engines run in this process, by their name. Linux only. */
export async function engineThreads(): Promise<number> {
  const tasks = await readdir('/proc/self/task')
  const names = await Promise.all(
    tasks.map((task) => readFile(`/proc/self/task/${task}/comm`, 'utf8').catch(() => '')),
  )
  return names.filter((name) => name.trim() === 'model-cache').length
}
