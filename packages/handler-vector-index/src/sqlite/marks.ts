import type { DatabaseSync } from 'node:sqlite'
import type { Mark } from '../store.js'
import { textIn } from './rows.js'

const FORGOTTEN_AFTER_MS = 30 * 86_400_000

/** What tasks left of how far they came, written in the transaction of what they did. */
export function createMarks(db: DatabaseSync) {
  const put = db.prepare(
    `INSERT INTO marks (task, value, updated_at) VALUES (?, ?, ?)
     ON CONFLICT (task) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
  )
  const read = db.prepare('SELECT value FROM marks WHERE task = ?')
  const drop = db.prepare('DELETE FROM marks WHERE task = ? OR updated_at < ?')
  return {
    put<Answer>(mark: Mark<Answer> | undefined, answer: Answer): Answer {
      if (mark !== undefined) put.run(mark.task, mark.value(answer), Date.now())
      return answer
    },
    read(task: string): string | null {
      const row = read.get(task)
      return row === undefined ? null : textIn(row, 'value')
    },
    drop: (task: string) => void drop.run(task, Date.now() - FORGOTTEN_AFTER_MS),
  }
}
