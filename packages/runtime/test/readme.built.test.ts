import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

test("the README's example runs and says hello", async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? ''
  // beside this file, so that it finds the packages; run elsewhere, so that its ./data is
  const file = fileURLToPath(new URL(`readme-example-${process.pid}.mjs`, import.meta.url))
  const folder = await mkdtemp(join(tmpdir(), 'mcp-worker-readme-'))
  onTestFinished(async () => {
    await rm(file, { force: true })
    await rm(folder, { recursive: true })
  })
  await writeFile(file, code)
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: folder })
  expect(stdout.split('\n')).toContain('Hello, world')
})
