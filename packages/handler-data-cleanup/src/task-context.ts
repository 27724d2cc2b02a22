import type { RunContext } from '@mcp-worker/runtime'

/** What the work needs of the runtime's context; tests give it by hand. */
export type TaskContext = Pick<
  RunContext<unknown, unknown, unknown>,
  'signal' | 'progress' | 'checkpoint' | 'submit' | 'snooze'
> & {
  readonly task: { readonly delivery: number; readonly deadline: number }
}
