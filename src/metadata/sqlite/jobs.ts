import type { DatabaseSync } from 'node:sqlite'
import type { Outcome, Stamped } from '../command.ts'
import type { JobReads, JobRun, LeaseJob, RecordRun, ReleaseJob } from '../jobs.ts'
import type { Row, Statements } from './statements.ts'

/**
 * Makes the table of leases. It is temporary and in memory: no other process can have the database open, so a lease need not outlive this
 * process, and taking one costs no sync and no space.
 */
export function makeJobLeases(database: DatabaseSync): void {
  database.exec(
    'CREATE TEMP TABLE job_leases (job TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) STRICT, WITHOUT ROWID',
  )
}

/** @see LeaseJob */
export function leaseJob(statements: Statements, command: Stamped<LeaseJob>): Outcome<LeaseJob> {
  const taken = statements.run(
    `INSERT INTO job_leases (job, holder, until) VALUES (?1, ?2, ?3)
     ON CONFLICT DO UPDATE SET holder = excluded.holder, until = excluded.until WHERE holder = ?2 OR until <= ?4`,
    command.job,
    command.holder,
    command.at + command.duration,
    command.at,
  )
  return { result: taken === 0 ? 'held' : 'leased' }
}

/** @see ReleaseJob */
export function releaseJob(statements: Statements, { job, holder }: ReleaseJob): Outcome<ReleaseJob> {
  statements.run('DELETE FROM job_leases WHERE job = ? AND holder = ?', job, holder)
  return { result: 'done' }
}

/** @see RecordRun */
export function recordRun(statements: Statements, { run, keep }: RecordRun): Outcome<RecordRun> {
  statements.run(
    'INSERT INTO job_runs (job, started, took, outcome, result, error) VALUES (?, ?, ?, ?, ?, ?)',
    run.job,
    run.started,
    run.took,
    run.outcome,
    JSON.stringify(run.result),
    run.error ?? null,
  )
  statements.run(
    `DELETE FROM job_runs
     WHERE job = ?1 AND id <= (SELECT id FROM job_runs WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
    run.job,
    keep,
  )
  return { result: 'done' }
}

/** Makes the reads of what jobs did. */
export function jobReads(statements: Statements): JobReads {
  return {
    runs: async (job, limit) =>
      statements
        .all(
          `SELECT job, started, took, outcome, result, error FROM job_runs WHERE job = ? ORDER BY id DESC LIMIT +?`,
          job,
          limit,
        )
        .map(runOf),
  }
}

function runOf(row: Row): JobRun {
  return {
    job: row.job as string,
    started: row.started as number,
    took: row.took as number,
    outcome: row.outcome as JobRun['outcome'],
    result: JSON.parse(row.result as string),
    ...(row.error !== null && { error: row.error as string }),
  }
}
