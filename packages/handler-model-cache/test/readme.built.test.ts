import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

test("the README's example runs and loads the embedder", async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? ''
  // beside this file, so that it finds the packages; run elsewhere, so that its ./data is
  const file = fileURLToPath(new URL(`readme-example-${process.pid}.mjs`, import.meta.url))
  const cwd = await mkdtemp(join(tmpdir(), 'model-cache-readme-'))
  await writeFile(file, code)
  onTestFinished(async () => {
    await rm(file, { force: true })
    await rm(cwd, { recursive: true, force: true })
  })
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd })
  expect(stdout).toMatch(/^loaded embedder \{ estimated: \d+, measured: \d+ \}$/m)
  expect(stdout).toMatch(/^ready 2$/m)
})
