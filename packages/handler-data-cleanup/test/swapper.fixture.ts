/**
 * The attacker: swaps a folder for a link and back, as fast as it can, until it is told to stop. Arguments: the folder, and where the link leads.
 * Says how often it swapped.
 */
import { lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'

const [folder = '', foreign = ''] = process.argv.slice(2)
const aside = `${folder}.aside`
let swaps = 0
let stopping = false
process.on('SIGTERM', () => (stopping = true))

/** The cleaner and who fills the folder take part in the dance: any step may find what it did not leave. */
function tolerant(step: () => void): boolean {
  try {
    step()
    return true
  } catch {
    return false
  }
}

/** Each of the two states stays for up to half a millisecond: who looks must be able to meet both. */
function stay(): void {
  const until = performance.now() + Math.random() / 2
  while (performance.now() < until);
}

function swap(): void {
  stay()
  tolerant(() => renameSync(folder, aside))
  if (tolerant(() => symlinkSync(foreign, folder))) swaps += 1
  stay()
  tolerant(() => unlinkSync(folder))
  tolerant(() => renameSync(aside, folder))
}

function kindOf(path: string): 'link' | 'folder' | null {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return null
  return stats.isSymbolicLink() ? 'link' : 'folder'
}

/** Back to where each swap begins: a real folder, and nothing aside. From any other state no swap would lead back. */
function tidy(): void {
  for (const path of [folder, aside]) if (kindOf(path) === 'link') tolerant(() => unlinkSync(path))
  if (kindOf(aside) === 'folder') {
    tolerant(() => rmSync(folder, { recursive: true, force: true }))
    tolerant(() => renameSync(aside, folder))
  }
  if (kindOf(folder) === null) tolerant(() => mkdirSync(folder))
}

process.stdout.write('ready\n')
function turn(): void {
  tidy()
  for (let i = 0; i < 100; i++) swap()
  if (!stopping) return void setImmediate(turn)
  process.stdout.write(`${swaps}\n`)
}
turn()
