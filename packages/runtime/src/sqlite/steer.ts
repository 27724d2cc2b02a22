import type { LogLine, TaskStatus } from '../task.js'
import type { Report } from '../queue.js'
import { readLog } from './task-row.js'
import { asArray, parseFence, prepareArrays, rankOf, type StoreBase } from './base.js'

const KEPT_LOG_LINES = 100

/** What people and handlers do to tasks between claim and settle: cancel, replay, pause, report. Runs inside the batch's transaction. */
export function createSteer(base: StoreBase) {
  const { db, clock, tally } = base
  const find = prepareArrays(db, 'SELECT seq, type, version, status, priority FROM tasks WHERE id = ?')
  const cancelNow = db.prepare(
    `UPDATE tasks SET status = 'cancelled', suspect = 0, finished_at = ?, error_code = 'cancelled',
     error_message = 'cancelled before it ran' WHERE seq = ?`,
  )
  const cancelLater = db.prepare('UPDATE tasks SET cancel_requested = 1 WHERE seq = ?')
  const putBack = db.prepare(
    `UPDATE tasks SET status = 'queued', suspect = 0, cancel_requested = 0, ready_at = ?, rank = ?, base_attempts = attempts,
     base_crashes = crashes, expires_at = NULL, result = NULL, error_code = NULL, error_message = NULL, failure_reason = NULL,
     started_at = NULL, finished_at = NULL WHERE seq = ?`,
  )
  const forgetProgress = db.prepare('UPDATE reports SET done = NULL, total = NULL, note = NULL WHERE seq = ?')
  const pause = db.prepare('INSERT OR IGNORE INTO paused (type) VALUES (?)')
  const resume = db.prepare('DELETE FROM paused WHERE type = ?')
  const isMine = db.prepare(`SELECT 1 FROM tasks WHERE seq = ? AND deliveries = ? AND status = 'running'`)
  const logOf = prepareArrays(db, 'SELECT log FROM reports WHERE seq = ?')
  const makeReport = db.prepare('INSERT OR IGNORE INTO reports (seq) VALUES (?)')
  const writeProgress = db.prepare('UPDATE reports SET done = ?, total = ?, note = ? WHERE seq = ?')
  const writeCheckpoint = db.prepare('UPDATE reports SET checkpoint = ? WHERE seq = ?')
  const writeLog = db.prepare('UPDATE reports SET log = ? WHERE seq = ?')

  function lookUp(id: string) {
    const row = find.get(id)
    if (row === undefined) return null
    const [seq, type, version, status, priority] = asArray(row) as [
      number,
      string,
      number,
      TaskStatus,
      number,
    ]
    return { seq, type, version, status, priority }
  }

  function addLog(seq: number, lines: readonly LogLine[]): void {
    const [text] = asArray(logOf.get(seq)) as [string]
    const kept = [...readLog(text), ...lines].slice(-KEPT_LOG_LINES)
    writeLog.run(JSON.stringify(kept), seq)
  }

  return {
    requestCancel(id: string): 'cancelled' | 'requested' | 'final' | 'not_found' {
      const task = lookUp(id)
      if (!task) return 'not_found'
      if (task.status === 'running') {
        cancelLater.run(task.seq)
        return 'requested'
      }
      if (task.status === 'succeeded' || task.status === 'failed' || task.status === 'cancelled')
        return 'final'
      cancelNow.run(clock.wall(), task.seq)
      tally.move(task.type, task.version, task.status, 'cancelled')
      return 'cancelled'
    },
    replay(id: string): 'replayed' | 'not_replayable' | 'not_found' {
      const task = lookUp(id)
      if (!task) return 'not_found'
      if (task.status !== 'failed' && task.status !== 'cancelled') return 'not_replayable'
      const now = clock.wall()
      putBack.run(now, rankOf(now, task.priority), task.seq)
      forgetProgress.run(task.seq)
      tally.move(task.type, task.version, task.status, 'queued')
      return 'replayed'
    },
    pause: (type: string) => void pause.run(type),
    resume: (type: string) => void resume.run(type),
    record(fenceName: string, report: Report): 'recorded' | 'stale' {
      const { seq, delivery } = parseFence(fenceName)
      if (!isMine.get(seq, delivery)) return 'stale'
      makeReport.run(seq)
      const { progress, checkpoint, log } = report
      if (progress) writeProgress.run(progress.done, progress.total, progress.note, seq)
      if (checkpoint !== undefined) writeCheckpoint.run(checkpoint, seq)
      if (log && log.length > 0) addLog(seq, log)
      return 'recorded'
    },
  }
}
