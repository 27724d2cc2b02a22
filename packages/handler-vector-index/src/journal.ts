import { hash } from 'node:crypto'
import type { Payload, Verified } from './payload.js'
import type { Mark, VectorStore } from './store.js'
import type { Tally } from './tally.js'
import type { TaskContext } from './task-context.js'

/** What a task leaves with each step, and finds again when it is retried. */
export interface Checkpoint {
  /** Positions of the source that are done; of work without a source, how far it came. */
  readonly next: number
  readonly tally: Tally
  /** Ids of the batch at `next` that are done already: other writers were in the way of the rest. */
  readonly done?: readonly string[]
  /** Of `reindex`: the generation that is being built. */
  readonly generation?: number
  /** Of `verify`: where its list goes on, and what was found. */
  readonly after?: string
  readonly verified?: Verified
}

/** As it is kept. An id may come again with another payload, once its task was pruned: it starts from 0. */
interface Left extends Checkpoint {
  readonly input: string
}

/**
 * How far a task came, in two places. The queue's checkpoint is stored after the effect, so that a kill between the two would make the retried task count what
 * it did itself as somebody else's; the store's mark (where the engine has marks) is stored with the effect. The further one counts.
 */
export interface Journal {
  /** null: nothing was done yet, or with another input. */
  readonly found: Checkpoint | null
  /** For a call of the store: `after` says where the task stands when the call has been made. */
  mark<Answer>(after: (answer: Answer) => Checkpoint): { readonly mark: Mark<Answer> }
  /** Also tells the queue that the task still runs here: rejects where it was given to another worker. */
  save(checkpoint: Checkpoint): Promise<void>
  /** The last checkpoint stays with the queue, the mark goes. */
  end(): Promise<void>
}

interface Around {
  readonly store: VectorStore
  readonly context: TaskContext
  /** What the positions of a checkpoint belong to beside the payload. */
  readonly source?: string
}

/** A dry run leaves nothing behind. */
export async function openJournal(
  payload: Payload,
  { store, context, source = '' }: Around,
): Promise<Journal> {
  const task = context.task.id
  const dryRun = payload.dry_run
  const input = `${hash('sha256', JSON.stringify(payload))} ${source}`
  const leave = (checkpoint: Checkpoint): Left => ({ ...checkpoint, input })
  const marked = await store.readMark(task)
  const candidates = [marked === null ? null : (JSON.parse(marked) as Left), context.checkpoint.get<Left>()]
  const usable = candidates.filter((one) => one !== null).filter((one) => one.input === input)
  const [first, second] = usable
  let mayHaveMark = marked !== null
  return {
    // where both stand at one position, the mark knows more
    found: first !== undefined && second !== undefined && second.next > first.next ? second : (first ?? null),
    mark(after) {
      mayHaveMark = true
      return { mark: { task, value: (answer) => JSON.stringify(leave(after(answer))) } }
    },
    save: async (checkpoint) => {
      if (!dryRun) await context.checkpoint.set(leave(checkpoint))
    },
    end: async () => {
      if (!dryRun && mayHaveMark && store.capabilities.marks) await store.dropMark(task)
    },
  }
}
