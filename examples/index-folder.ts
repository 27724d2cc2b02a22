/**
 * Makes a collection equal to the Markdown files of a folder, and with --watch keeps it so:
 *
 *   node examples/index-folder.ts FOLDER COLLECTION [--watch]
 *
 * Needs a worker with examples/index-folder.config.ts; docs/guides/index-a-folder.md goes through it.
 */
import { once } from 'node:events'
import { watch } from 'node:fs'
import { glob, open, readFile, rename } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { callApi } from './call-api.ts'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { watch: { type: 'boolean', default: false } },
})
const [folder, collection] = positionals
if (folder === undefined || collection === undefined) throw new Error('expected FOLDER COLLECTION [--watch]')
const documentsRoot = resolve(process.env['DOCUMENTS_ROOT'] ?? 'data/exports')

interface Task {
  readonly id: string
  readonly status: string
  readonly error: { readonly code: string; readonly message: string } | null
  readonly result: {
    readonly inserted: number
    readonly updated: number
    readonly unchanged: number
    readonly deleted: number
    readonly failed: readonly { readonly id: string; readonly code: string }[]
  } | null
}

/** One JSON document per line. Written beside and renamed, so that a task never reads half a file. */
async function exportFolder(): Promise<string> {
  const name = `${collection}.jsonl`
  const file = await open(join(documentsRoot, `${name}.new`), 'w')
  for await (const path of glob('**/*.md', { cwd: folder })) {
    const text = await readFile(join(folder!, path), 'utf8')
    const title = /^#+ (.+)$/m.exec(text)?.[1] ?? basename(path, '.md')
    await file.write(`${JSON.stringify({ id: path, text, metadata: { title } })}\n`)
  }
  await file.close()
  await rename(join(documentsRoot, `${name}.new`), join(documentsRoot, name))
  return name
}

async function sync(): Promise<void> {
  const payload = {
    operation: 'sync',
    collection,
    documents_ref: await exportFolder(),
    on_error: 'continue', // an empty file fails alone
  }
  let task = await callApi<Task>('/tasks', { type: 'vector_index', payload })
  while (!['succeeded', 'failed', 'cancelled'].includes(task.status)) {
    task = await callApi<Task>(`/tasks/${task.id}?wait=25`)
  }
  if (task.result === null) throw new Error(`${task.status}: ${task.error?.code} ${task.error?.message}`)
  const { inserted, updated, unchanged, deleted, failed } = task.result
  console.log(
    `${collection}: ${inserted} inserted, ${updated} updated, ${unchanged} unchanged, ${deleted} deleted`,
  )
  for (const { id, code } of failed) console.log(`  ${id}: ${code}`)
}

await sync()
if (values.watch) {
  const watcher = watch(folder, { recursive: true })
  let changed = false
  watcher.on('change', () => (changed = true))
  for (;;) {
    if (!changed) await once(watcher, 'change')
    await pause(300) // to save a file is several events
    changed = false
    await sync()
  }
}
