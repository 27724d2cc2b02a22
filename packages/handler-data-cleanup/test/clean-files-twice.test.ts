import { mkdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HOUR, LATER_MS, memoryCheckpoint, treeOf } from './cleanup-harness.js'
import { filesTarget } from './files-target.js'

interface Node {
  readonly name: string
  readonly old: boolean
  readonly children: readonly Node[] | null
}

const { tree } = fc.letrec<{ tree: Node[]; node: Node }>((tie) => ({
  node: fc.record({
    name: fc
      .string({ unit: fc.constantFrom('a', 'b', 'c', 'd', '.'), minLength: 1, maxLength: 4 })
      .filter((name) => !/^\.{1,2}$/.test(name)),
    old: fc.boolean(),
    children: fc.option(tie('tree'), { maxDepth: 3, depthIdentifier: 'tree' }),
  }),
  tree: fc.uniqueArray(tie('node'), { selector: ({ name }) => name, maxLength: 5, depthIdentifier: 'tree' }),
}))

async function build(root: string, nodes: readonly Node[], now: number): Promise<void> {
  for (const { name, old, children } of nodes) {
    const path = join(root, name)
    if (children === null) await writeFile(path, 'x')
    else {
      await mkdir(path)
      await build(path, children, now)
    }
    const at = (old ? now - 30 * HOUR : now - HOUR) / 1000
    await utimes(path, at, at)
  }
}

test('the list names exactly what the run deletes, and changes nothing, on any tree', async () => {
  await fc.assert(
    fc.asyncProperty(
      tree,
      fc.option(fc.integer({ min: 1, max: 6 })),
      fc.integer({ min: 1, max: 3 }),
      async (nodes, limit, page) => {
        const { root, run, preview } = await filesTarget()
        await build(root, nodes, Date.now() + LATER_MS)
        const before = await treeOf(root)
        const listed = await pages(preview, page)
        const payload = limit === null ? {} : { max_files: limit }
        const dry = await run({ ...payload, dry_run: true })
        expect(await treeOf(root)).toEqual(before)
        const real = await run(payload)
        const left = await treeOf(root)
        const deleted = before.filter((path) => !path.endsWith('/') && !left.includes(path))
        expect(dry.files.map(({ path }) => path).toSorted()).toEqual(deleted.toSorted())
        expect({ ...dry, dry_run: false, summary: '', next_cursor: null }).toEqual({
          ...real,
          summary: '',
          next_cursor: null,
        })
        // pages have no limit: they are compared where the run had none
        const whole = limit === null ? before.filter((path) => !left.includes(path)) : listed
        expect(listed.toSorted()).toEqual(whole.toSorted())
      },
    ),
    { numRuns: 60 },
  )
})

async function pages(
  preview: (input: Record<string, unknown>) => ReturnType<Awaited<ReturnType<typeof filesTarget>>['preview']>,
  limit: number,
) {
  const paths: string[] = []
  let cursor: string | null = null
  do {
    const page = await preview({ limit, ...(cursor === null ? {} : { cursor }) })
    paths.push(...page.files.map(({ path }) => path), ...page.directories.map((path) => `${path}/`))
    cursor = page.next_cursor
  } while (cursor !== null)
  return paths
}

async function world() {
  const made = await filesTarget()
  for (let i = 0; i < 60; i++) {
    await made.make(`d${i % 3}/e${i % 2}/f${i}`)
    if (i % 4 === 0) await made.age(`d${i % 3}/e${i % 2}/f${i}`, HOUR)
  }
  return made
}

test('a run that dies anywhere and is delivered again ends as an undisturbed one', async () => {
  const undisturbed = await world()
  await undisturbed.run()
  const expected = await treeOf(undisturbed.root)
  expect(expected.length).toBeGreaterThan(10)
  for (let dieAt = 1; dieAt <= 60; dieAt += 7) {
    const { root, run } = await world()
    const { checkpoint } = memoryCheckpoint()
    let beats = 0
    const progress = () => {
      if (++beats === dieAt) throw new Error('died')
    }
    // late deaths may come after its end
    await run({ batch_size: 3 }, { checkpoint, progress }).catch(() => null)
    await run({ batch_size: 3 }, { checkpoint, task: { delivery: 2, deadline: Date.now() + HOUR } })
    expect(await treeOf(root), `died at beat ${dieAt}`).toEqual(expected)
  }
})
