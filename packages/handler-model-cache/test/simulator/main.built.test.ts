import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const PROGRAM = fileURLToPath(new URL('../../dist/simulator/main.js', import.meta.url))

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the table says which seeds it is of, and the figures as JSON are those of the same seeds', () => {
  const { stdout } = run('--cases', '3', '--from', '2001')
  expect(stdout).toMatch(/seeds 2001 to 2003\.\n\n/)
  const [plan] = JSON.parse(run('--cases', '3', '--from', '2001', '--json').stdout) as {
    readonly run: { readonly mean: number; readonly worstSeed: number }
  }[]
  expect(stdout).toContain(plan?.run.mean.toFixed(3))
  expect([2001, 2002, 2003]).toContain(plan?.run.worstSeed)
})

test('wrong options are refused, all at once, and --help says which there are', () => {
  const { status, stdout, stderr } = run('--cases', '0', '--from', 'x', '--nope', 'what')
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr.trim().split('\n')).toEqual([
    'expected --cases from 1 to 10000, got 0',
    'expected --from from 1 to 1000000, got x',
    'expected --cases, --from, --json or --help, got what',
    'expected --cases, --from, --json or --help, got --nope',
  ])
  expect(run('--help')).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('--from N') })
})
