import { DatabaseSync } from 'node:sqlite'

const MUST_BE_EMPTY = {
  'a task without its payload':
    'SELECT count(*) AS n FROM tasks LEFT JOIN bodies USING (seq) WHERE bodies.seq IS NULL',
  'a payload without its task':
    'SELECT count(*) AS n FROM bodies LEFT JOIN tasks USING (seq) WHERE tasks.seq IS NULL',
  'a report without its task':
    'SELECT count(*) AS n FROM reports LEFT JOIN tasks USING (seq) WHERE tasks.seq IS NULL',
  'a count that is not the number of its tasks': `SELECT count(*) AS n FROM counts AS c
     WHERE n <> (SELECT count(*) FROM tasks AS t WHERE t.type = c.type AND t.version = c.version AND t.status = c.status)`,
  'tasks that are not counted': `SELECT count(*) AS n FROM tasks AS t
     WHERE NOT EXISTS (SELECT 1 FROM counts AS c WHERE t.type = c.type AND t.version = c.version AND t.status = c.status)`,
}

/** What is wrong in a queue's file that nobody has open. */
export function checkFile(database: string): string[] {
  const db = new DatabaseSync(database)
  try {
    return checkDatabase(db)
  } finally {
    db.close()
  }
}

/** `integrity_check`, and what the tables owe each other. */
export function checkDatabase(db: DatabaseSync): string[] {
  const integrity = Object.values(db.prepare('PRAGMA integrity_check').get() ?? {})[0]
  const found = integrity === 'ok' ? [] : [`P1 integrity_check: ${String(integrity)}`]
  for (const [what, sql] of Object.entries(MUST_BE_EMPTY)) {
    const n = Number(db.prepare(sql).get()?.['n'])
    if (n > 0) found.push(`P2 the file holds ${what} (${n})`)
  }
  return found
}
