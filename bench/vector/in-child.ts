import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { withFolder } from '../queue/in-child.ts'
import type { EmbedderAnswer, EmbedderOrder } from './embedders.ts'
import type { SearchAnswer, SearchOrder } from './searches.ts'
import type { TaskAnswer, TaskOrder } from './task.ts'
import type { WriteAnswer, WriteOrder } from './writes.ts'

/** What a child is asked to measure, and what it answers. */
export interface Measurements {
  readonly writes: { readonly order: WriteOrder; readonly answer: WriteAnswer }
  readonly searches: { readonly order: SearchOrder; readonly answer: SearchAnswer }
  readonly embedders: { readonly order: EmbedderOrder; readonly answer: EmbedderAnswer }
  readonly task: { readonly order: TaskOrder; readonly answer: TaskAnswer }
}

export type Kind = keyof Measurements
export type Order = Measurements[Kind]['order']

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url))

/** In a process of its own, so that nobody pays for another's heap. Rejects when it ends without an answer. */
export function inChild<K extends Kind>(
  order: Measurements[K]['order'],
  profileTo: string | null,
): Promise<Measurements[K]['answer']> {
  const profile = profileTo === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileTo}`]
  return withFolder(
    (folder) =>
      new Promise((resolve, reject) => {
        const args = [JSON.stringify(order), folder]
        const child = fork(CHILD, args, { execArgv: profile, stdio: ['ignore', 2, 2, 'ipc'] })
        let got: Measurements[K]['answer'] | null = null
        child.on('message', (answer) => (got = answer as Measurements[K]['answer']))
        child.once('error', reject)
        child.once('exit', (code, signal) => {
          if (got !== null && code === 0) resolve(got)
          else reject(new Error(`${order.engine} ended with ${code ?? signal} and no answer`))
        })
      }),
  )
}
