/**
 * The README's code blocks, held against what they show.
 * `check`: each block under `<!-- file: PATH -->` equals that file. `curl`: prints the blocks under `<!-- run -->`, to be run by bash.
 */
import { readFileSync } from 'node:fs'

const BLOCK = /<!-- (file: (?<file>\S+)|(?<run>run)) -->\n+```\w*\n(?<code>[\s\S]*?)```/g

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const blocks = [...readme.matchAll(BLOCK)].map(({ groups }) => groups ?? {})

function check(): void {
  const files = blocks.filter(({ file }) => file)
  if (files.length === 0) throw new Error('README.md shows no file: the check looks for nothing')
  for (const { file, code } of files) {
    if (readFileSync(new URL(`../${file}`, import.meta.url), 'utf8') === code) continue
    throw new Error(`README.md shows another ${file} than the file itself: copy it again`)
  }
}

const commands = {
  check,
  curl: () => process.stdout.write(blocks.flatMap(({ run, code }) => (run ? [code] : [])).join('\n')),
}

const command = process.argv[2]
if (command !== 'check' && command !== 'curl') throw new Error('expected check or curl')
commands[command]()
