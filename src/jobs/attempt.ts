import type { JobRun } from '../metadata/jobs.ts'
import type { Figures, Job } from './job.ts'
import { type LeaseContext, takeLease } from './lease.ts'

const LIMIT_MS = 3_600_000
/** How long after its limit a run may take to end before it counts as hanging. */
const GRACE_MS = 10_000
const MAX_ERROR_LENGTH = 1_000

/** An attempt to run a job. */
export interface Attempt<Result extends Figures> {
  run: JobRun
  /** What the job returned, or the error that it threw. */
  outcome: { result: Result } | { error: unknown }
  /** Resolves when the job has ended and its lease was given back. */
  ended: Promise<void>
}

/** What an attempt needs. */
export interface AttemptContext extends LeaseContext {
  /** Aborted when the process stops. */
  stopping: AbortSignal
}

/** Why the signal of a run is aborted. */
export class RunAborted extends Error {
  override readonly name = 'RunAborted'
}

/**
 * Runs a job once: under its lease, if its scope is the store, and within its time limit. Does not reject.
 *
 * @returns `held` if another process is running it
 */
export async function attemptRun<Result extends Figures>(
  job: Job<Result>,
  context: AttemptContext,
): Promise<Attempt<Result> | 'held'> {
  const { clock, stopping } = context
  const [started, began] = [clock.now(), clock.steady()]
  const ending = new AbortController()
  const onLost = () => ending.abort(new RunAborted('another process has taken the lease of the job'))
  const lease =
    job.scope === 'process'
      ? NO_LEASE
      : await takeLease(job.name, context, onLost).catch((error: unknown) => ({ error }))
  if (lease === undefined) return 'held'
  const running = 'error' in lease ? Promise.reject(lease.error) : begin(job, [stopping, ending.signal])
  const ended = running.then(noop, noop).then(() => ('error' in lease ? undefined : lease.release()))
  const outcome = await withinLimit(job, running, { clock, ending })
  const run = {
    job: job.name,
    started,
    took: Math.round(clock.steady() - began),
    ...judge(outcome, { stopping, ending: ending.signal }),
  }
  return { run, outcome, ended }
}

const noop = () => {}
const NO_LEASE = { release: async () => {} }

/** The run has not ended some seconds after its signal was aborted. */
class RunHangs extends RunAborted {}

/** A job that throws before it returns a promise has failed like any other. */
async function begin<Result extends Figures>(job: Job<Result>, signals: AbortSignal[]): Promise<Result> {
  return await job.run(AbortSignal.any(signals))
}

async function withinLimit<Result extends Figures>(
  { limit = LIMIT_MS }: Job<Result>,
  running: Promise<Result>,
  { clock, ending }: { clock: AttemptContext['clock']; ending: AbortController },
): Promise<Attempt<Result>['outcome']> {
  const hanging = Promise.withResolvers<never>()
  const after = `${limit / 1_000} seconds`
  const cancels = [
    clock.after(limit, () => ending.abort(new RunAborted(`stopped after ${after}, its time limit`))),
    clock.after(limit + GRACE_MS, () =>
      hanging.reject(new RunHangs(`hangs: it was told to stop after ${after}, and has not`)),
    ),
  ]
  try {
    return { result: await Promise.race([running, hanging.promise]) }
  } catch (error) {
    return { error }
  } finally {
    for (const cancel of cancels) cancel()
  }
}

function judge(
  outcome: Attempt<Figures>['outcome'],
  { stopping, ending }: { stopping: AbortSignal; ending: AbortSignal },
): Pick<JobRun, 'outcome' | 'result' | 'error'> {
  const result = 'result' in outcome ? outcome.result : {}
  const isHanging = 'error' in outcome && outcome.error instanceof RunHangs
  if (ending.aborted && !isHanging) return { outcome: 'failed', result, error: textOf(ending.reason) }
  if (stopping.aborted) return { outcome: 'stopped', result }
  if ('error' in outcome) return { outcome: 'failed', result, error: textOf(outcome.error) }
  return { outcome: 'done', result }
}

/** The cause is what the store or the system said. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error).slice(0, MAX_ERROR_LENGTH)
  const text = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  return text.slice(0, MAX_ERROR_LENGTH)
}
