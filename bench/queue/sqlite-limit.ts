import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { payloadOf } from './engine.ts'

const BATCH = 100

/**
 * What SQLite alone can do: the least table of an honest queue, insert, claim and complete in transactions of a hundred, each one fsynced.
 * Answers the milliseconds for all cycles.
 */
export function runLimit(folder: string, name: string, tasks: number): number {
  const db = new DatabaseSync(join(folder, `${name}.db`))
  db.exec(`pragma journal_mode = wal; pragma synchronous = full;
    create table task (seq integer primary key, id text not null unique, status integer not null, payload text not null);
    create index waiting on task (seq) where status = 0`)
  const insert = db.prepare('insert into task (id, status, payload) values (?, 0, ?)')
  const claim = db.prepare(
    'update task set status = 1 where seq in (select seq from task where status = 0 order by seq limit ?) returning seq, id, payload',
  )
  const complete = db.prepare('update task set status = 2 where seq = ? and status = 1')
  const inTransaction = <T>(work: () => T): T => {
    db.exec('begin immediate')
    const answer = work()
    db.exec('commit')
    return answer
  }
  const from = performance.now()
  for (let index = 0; index < tasks; index += BATCH) {
    const size = Math.min(BATCH, tasks - index)
    inTransaction(() => {
      for (let i = index; i < index + size; i++) {
        insert.run(`task-${i}`, JSON.stringify(payloadOf(i)))
      }
    })
    const claimed = inTransaction(() => claim.all(size))
    inTransaction(() => {
      for (const row of claimed) complete.run(row['seq'] ?? null)
    })
  }
  const ms = performance.now() - from
  const done = db.prepare('select count(*) n from task where status = 2').get()?.['n']
  db.close()
  if (done !== tasks) throw new Error(`expected ${tasks} completed tasks, got ${String(done)}`)
  return ms
}

export function sqliteVersion(): string {
  return process.versions['sqlite'] ?? '?'
}
