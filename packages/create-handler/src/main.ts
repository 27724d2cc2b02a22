#!/usr/bin/env node
import { relative } from 'node:path'
import { createHandler } from './create.js'

const USAGE = 'npm create @mcp-worker/handler NAME      (my-task, @acme/my-task)'

const [name, ...others] = process.argv.slice(2)
if (name === undefined || name.startsWith('-') || others.length > 0) {
  const asked = name === '--help' || name === '-h'
  process[asked ? 'stdout' : 'stderr'].write(`${USAGE}\n`)
  process.exitCode = asked ? 0 : 2
} else {
  try {
    const { packageName, type, folder, files } = await createHandler({ name, cwd: process.cwd() })
    const lines = [
      `${packageName}: ${files.length} files, the task ${type}`,
      '',
      `  cd ${relative(process.cwd(), folder)}`,
      '  npm install',
      '  npm test',
      '  npm pack',
    ]
    process.stdout.write(`${lines.join('\n')}\n`)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  }
}
