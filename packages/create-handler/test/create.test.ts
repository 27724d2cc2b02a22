import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createHandler } from '../src/create.js'

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'create-handler-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

async function create(name: string) {
  const created = await createHandler({ name, cwd: await emptyFolder() })
  return { ...created, read: (path: string) => readFile(join(created.folder, path), 'utf8') }
}

interface Manifest {
  readonly name: string
  readonly files: readonly string[]
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

describe('createHandler', () => {
  it('writes schemas, handler, tests, README, changesets and workflows, and says which', async () => {
    const { files, folder } = await create('my-task')
    expect(files).toEqual([
      '.changeset/config.json',
      '.changeset/first-release.md',
      '.github/workflows/ci.yml',
      '.github/workflows/release.yml',
      '.gitignore',
      'README.md',
      'package.json',
      'src/index.ts',
      'src/keep-texts.ts',
      'src/schemas.ts',
      'src/text-folder.ts',
      'test/contract.test.ts',
      'test/worker.test.ts',
      'tsconfig.build.json',
      'tsconfig.json',
    ])
    const found = await readdir(folder, { recursive: true, withFileTypes: true })
    expect(found.filter((entry) => entry.isFile())).toHaveLength(files.length)
  })

  it('leaves no name of the template in a package of another name', async () => {
    const { files, read } = await create('@acme/image-resize')
    for (const file of files) expect(await read(file), file).not.toMatch(/my[-_]?task/i)
    const manifest = JSON.parse(await read('package.json')) as Manifest
    expect(manifest.name).toBe('@acme/handler-image-resize')
    expect(await read('src/index.ts')).toContain("handler('image_resize', {")
    expect(await read('.changeset/first-release.md')).toContain("'@acme/handler-image-resize': major")
  })

  it('asks for the runtime and zod as peers, in the ranges of the runtime of this repository', async () => {
    const { peerDependencies, devDependencies } = JSON.parse(
      await (await create('x')).read('package.json'),
    ) as Manifest
    const text = await readFile(new URL('../../runtime/package.json', import.meta.url), 'utf8')
    const runtime = JSON.parse(text) as Manifest & { readonly version: string }
    expect(peerDependencies).toEqual({
      '@mcp-worker/runtime': `^${runtime.version.split('.')[0]}.0.0`,
      zod: runtime.peerDependencies['zod'],
    })
    expect(devDependencies).toMatchObject(peerDependencies)
  })

  it('refuses a folder that holds anything, and leaves it as it is', async () => {
    const cwd = await emptyFolder()
    const { folder } = await createHandler({ name: 'x', cwd })
    await writeFile(join(folder, 'src/index.ts'), 'mine')
    await expect(createHandler({ name: 'x', cwd })).rejects.toThrow(
      /expected .*x to be new or empty, it holds /,
    )
    expect(await readFile(join(folder, 'src/index.ts'), 'utf8')).toBe('mine')
  })
})
