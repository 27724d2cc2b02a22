/** One measurement in a process of its own: `node child.ts <what> <folder> <model>`; prints JSON. */
import { writeSync } from 'node:fs'
import { joinLoads, loadByTask, loadInMainLoop } from './loads.ts'

const [what = '', root = '', modelId = ''] = process.argv.slice(2)

function measure(): Promise<unknown> {
  if (what === 'main-loop') return loadInMainLoop(root, modelId)
  if (what === 'task') return loadByTask(root, modelId)
  if (what === 'joins') return joinLoads(root, modelId, 100)
  throw new Error(`expected main-loop, task or joins, got ${what}`)
}

writeSync(1, JSON.stringify(await measure()))
process.exit(0)
