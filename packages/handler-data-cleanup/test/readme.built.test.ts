import { execFile } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { tempFolder } from './temp-folder.js'

test("the README's example runs, lists the file, deletes it and says so", async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const code = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? ''
  // beside this file, so that it finds the packages; run elsewhere, so that its folders are
  const file = fileURLToPath(new URL(`readme-example-${process.pid}.mts`, import.meta.url))
  await writeFile(file, code)
  onTestFinished(() => rm(file, { force: true }))
  const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: await tempFolder() })
  expect(stdout).toContain("[ { path: 'job-1/part', bytes: 4096 } ]")
  expect(stdout).toMatch(/temp_files: Deleted 1 file, 4\.0 KiB, looked at 2\./)
  expect(stdout).toContain("[ 'job-1' ]")
})
