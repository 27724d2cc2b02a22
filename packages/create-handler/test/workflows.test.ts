import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>
  readonly permissions: unknown
  readonly jobs: Readonly<Record<string, Job>>
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>
  readonly environment?: string
  /** None where the job is another workflow. */
  readonly steps?: readonly Step[]
}

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

const PLACES = {
  'this repository': new URL('../../../.github/workflows/', import.meta.url),
  'the template': new URL('../template/_github/workflows/', import.meta.url),
}

async function readWorkflows(folder: URL) {
  const names = (await readdir(folder)).toSorted()
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(new URL(name, folder), 'utf8')
      return { name, text, workflow: parse(text) as Workflow }
    }),
  )
}

function stepsOf({ jobs }: Workflow): readonly Step[] {
  return Object.values(jobs).flatMap(({ steps = [] }) => steps)
}

describe.each(Object.entries(PLACES))('the workflows of %s', async (_place, folder) => {
  const workflows = await readWorkflows(folder)

  it('are one for checks and one for releases', () => {
    expect(workflows.map(({ name }) => name)).toEqual(['ci.yml', 'release.yml'])
  })

  it.each(workflows)('$name pins each action of others by commit and says its version', ({ text }) => {
    const uses = [...text.matchAll(/uses: (.*)/g)].flatMap(([, action = '']) =>
      action.startsWith('./') ? [] : [action],
    )
    expect(uses.length).toBeGreaterThan(0)
    for (const action of uses) expect(action).toMatch(/^[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  it.each(workflows)(
    '$name gives no permission that its job does not name, and no secret',
    ({ text, workflow }) => {
      expect(workflow.permissions).toEqual({})
      for (const [name, job] of Object.entries(workflow.jobs)) expect(job.permissions, name).toBeDefined()
      expect(text).not.toMatch(/secrets[.[]|NPM_TOKEN|NODE_AUTH_TOKEN/)
    },
  )

  it.each(workflows)('$name leaves no credentials behind its checkouts', ({ workflow }) => {
    const checkouts = stepsOf(workflow).filter(({ uses }) => uses?.startsWith('actions/checkout@'))
    expect(checkouts.length).toBeGreaterThan(0)
    for (const { with: input } of checkouts) expect(input).toMatchObject({ 'persist-credentials': false })
  })

  it.each(workflows)(
    '$name puts no expression into a script, where its text would be run',
    ({ workflow }) => {
      for (const { run = '' } of stepsOf(workflow)) expect(run).not.toContain('${{')
    },
  )

  it.each(workflows)(
    '$name is never started by a pull request with the rights of the base',
    ({ workflow }) => {
      expect(Object.keys(workflow.on)).not.toContain('pull_request_target')
    },
  )

  it('let one job ask for an identity, in the environment npm, and it neither builds nor tests', () => {
    const jobs = workflows.flatMap(({ workflow }) => Object.entries(workflow.jobs))
    const trusted = jobs.filter(([, { permissions }]) => permissions?.['id-token'] === 'write')
    expect(trusted.map(([name, { environment }]) => [name, environment])).toEqual([['publish', 'npm']])
    for (const { run = '' } of trusted[0]?.[1].steps ?? [])
      expect(run).not.toMatch(/\b(build|test|\.ci\/run)\b/)
  })

  it('hold pull requests against changesets, but not the one that uses them up', () => {
    const gates = workflows.flatMap(({ text }) => [...text.matchAll(/changeset status --since=/g)])
    expect(gates).toHaveLength(1)
    expect(workflows[0]?.text).toContain("github.head_ref != 'changeset-release/main'")
  })
})
