/**
 * The attacker: swaps a folder for a link and back, as fast as it can, until it is told to stop. Arguments: the folder, and where the link leads.
 * Says how often it swapped.
 */
import { mkdirSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'

const [folder = '', foreign = ''] = process.argv.slice(2)
const aside = `${folder}.aside`
let swaps = 0
let stopping = false
process.on('SIGTERM', () => (stopping = true))

/** The cleaner takes part in the dance: what it has removed is made again. */
function tolerant(step: () => void): boolean {
  try {
    step()
    return true
  } catch {
    return false
  }
}

function swap(): void {
  if (!tolerant(() => renameSync(folder, aside))) tolerant(() => mkdirSync(folder))
  if (tolerant(() => symlinkSync(foreign, folder))) swaps += 1
  tolerant(() => unlinkSync(folder))
  tolerant(() => renameSync(aside, folder))
}

process.stdout.write('ready\n')
function turn(): void {
  for (let i = 0; i < 200; i++) swap()
  if (!stopping) return void setImmediate(turn)
  process.stdout.write(`${swaps}\n`)
}
turn()
