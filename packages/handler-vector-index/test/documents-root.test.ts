import { execFileSync } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDocumentsRoot } from '../src/documents-root.js'
import { tempFolder } from './temp-folder.js'

async function makeRoot() {
  const folder = await tempFolder()
  const root = join(folder, 'root')
  await mkdir(join(root, 'inner'), { recursive: true })
  await writeFile(join(root, 'inner', 'docs.jsonl'), '"inside"\n')
  await writeFile(join(folder, 'secret.jsonl'), '"outside"\n')
  return { folder, root, documents: await openDocumentsRoot(root) }
}

const refused = expect.objectContaining({ code: 'DOCUMENTS_REF_REFUSED' })

test('a regular file below the root is opened', async () => {
  const { documents } = await makeRoot()
  await using handle = await documents.open('inner/docs.jsonl')
  expect(await readFile(handle, 'utf8')).toBe('"inside"\n')
})

test('traversal, absolute paths, empty parts, backslashes and NUL are refused', async () => {
  const { folder, documents } = await makeRoot()
  for (const ref of [
    '../secret.jsonl',
    'inner/../../secret.jsonl',
    'inner/..',
    './inner/docs.jsonl',
    'inner//docs.jsonl',
    join(folder, 'secret.jsonl'),
    '..\\secret.jsonl',
    'inner/docs.jsonl\0.txt',
  ]) {
    await expect(documents.open(ref)).rejects.toEqual(refused)
  }
})

test('links are refused, as the file and as a folder on the way, inside the root too', async () => {
  const { folder, root, documents } = await makeRoot()
  await symlink(join(folder, 'secret.jsonl'), join(root, 'link.jsonl'))
  await symlink(folder, join(root, 'up'))
  await symlink(join(root, 'inner'), join(root, 'alias'))
  for (const ref of ['link.jsonl', 'up/secret.jsonl', 'alias/docs.jsonl']) {
    await expect(documents.open(ref)).rejects.toEqual(refused)
  }
})

test('folders and FIFOs are refused and nothing waits for a writer', async () => {
  const { root, documents } = await makeRoot()
  execFileSync('sh', ['-c', 'mkfifo "$0"', join(root, 'fifo')])
  await expect(documents.open('inner')).rejects.toEqual(refused)
  await expect(documents.open('fifo')).rejects.toEqual(refused)
})

test('a missing file has a code of its own', async () => {
  const { documents } = await makeRoot()
  for (const ref of ['none.jsonl', 'none/docs.jsonl']) {
    await expect(documents.open(ref)).rejects.toMatchObject({ code: 'DOCUMENTS_REF_NOT_FOUND' })
  }
})

test('a root that is no folder is refused at once, by the name of the option', async () => {
  const folder = await tempFolder()
  await writeFile(join(folder, 'file'), '')
  for (const [name, code] of [
    ['none', 'ENOENT'],
    ['file', 'ENOTDIR'],
  ] as const) {
    await expect(openDocumentsRoot(join(folder, name))).rejects.toMatchObject({
      message: `documentsRoot ${JSON.stringify(join(folder, name))}: expected a folder that can be read, got ${code}. Make it, or name another one`,
      cause: { code },
    })
  }
})
