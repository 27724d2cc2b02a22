/** How the parts of a new package are called. */
export interface Names {
  /** npm name: `handler-my-task`, `@acme/handler-my-task`. */
  readonly packageName: string
  /** Task type: `my_task`. */
  readonly type: string
  /** Folder, relative: `my-task`. */
  readonly folder: string
}

/** The name of a task type and of a folder: lower case, as npm demands it. */
const PART = /^[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*$/
const SCOPE = /^@[a-z0-9][a-z0-9._-]*$/
/** The same as the runtime's for task types. */
const MAX_TYPE = 64
const PREFIX = 'handler-'

/** From `my-task`, `handler-my-task` or `@acme/my-task`. Throws a `TypeError` that says what was expected. */
export function readName(given: string): Names {
  const [scope, name] = given.startsWith('@') ? split(given) : [null, given]
  const task = name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name
  const type = task.replaceAll('-', '_')
  if ((scope !== null && !SCOPE.test(scope)) || !PART.test(task) || type.length > MAX_TYPE) {
    const expected = `lower-case words joined by hyphens, with a scope or without, at most ${MAX_TYPE} characters: my-task, @acme/my-task`
    throw new TypeError(`expected ${expected}; got ${JSON.stringify(given)}`)
  }
  const local = `${PREFIX}${task}`
  return { packageName: scope === null ? local : `${scope}/${local}`, type, folder: task }
}

function split(given: string): readonly [scope: string, name: string] {
  const slash = given.indexOf('/')
  return slash < 0 ? [given, ''] : [given.slice(0, slash), given.slice(slash + 1)]
}
