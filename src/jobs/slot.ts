import type { JobRun } from '../metadata/jobs.ts'
import { type Attempt, type AttemptContext, attemptRun, RunAborted } from './attempt.ts'
import type { Figures, Job } from './job.ts'

/** How many runs of each job are recorded. */
export const RUNS_KEPT = 100

/** The pause varies by this part of it in both directions, so that several processes do not run a job at the same time. */
const JITTER = 0.1
/** A job that fails again and again runs less often, but at least this often. */
const MAX_PAUSE_AFTER_FAILURE_MS = 60_000
/** How long a run that was asked for waits before it tries again to get the lease. */
const LEASE_PAUSE_MS = 1_000

/** Receives what failed. */
export interface JobLog {
  debug(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What runs of jobs need. */
export interface RunContext extends AttemptContext {
  log: JobLog
  /** Called after each run, also if there was nothing to do. */
  onRun(run: JobRun): void
}

/** A job of this process, as it is now. Times are in milliseconds since the epoch. */
export interface JobState {
  name: string
  every?: number
  scope: Job['scope']
  /** Since when it is running; absent if it is not. */
  running?: number
  /** About when it will run next; absent if it runs only when it is asked for, or is running. */
  next?: number
  /** Its last run in this process, also if there was nothing to do. */
  last?: JobRun
}

/** Runs one job again and again, never two runs at a time. */
export class JobSlot {
  readonly #job: Job
  readonly #context: RunContext
  /** Resolves when the last of all runs that were begun or asked for has ended. */
  #last: Promise<unknown> = Promise.resolve()
  #recording: Promise<void> | undefined
  #isAsked = false
  #failures = 0
  #cancelTimer = () => {}
  #due: number | undefined
  #running: number | undefined
  #lastRun: JobRun | undefined

  constructor(job: Job, context: RunContext) {
    this.#job = job
    this.#context = context
  }

  start(): void {
    this.#job.onWork?.(() => this.ask())
    this.#schedule()
  }

  /** Runs the job soon. If a run has already been asked for and not begun, that one will do. */
  ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    const begin = () => {
      this.#isAsked = false
    }
    this.#enqueue(this.#job, { isAsked: true, begin }).catch(noop)
  }

  /**
   * Runs the job, or the same job with other options, after all runs that were asked for before.
   *
   * @returns what the run returned, once it is recorded
   * @throws what the run threw, or RunAborted if the process stops first
   */
  async run<Result extends Figures>(job: Job<Result>): Promise<Result> {
    const attempt = await this.#enqueue(job, { isAsked: true })
    await this.#recording
    if (attempt === 'held') throw new RunAborted('another process is running the job')
    if ('error' in attempt.outcome) throw attempt.outcome.error
    return attempt.outcome.result
  }

  state(): JobState {
    const { name, every, scope } = this.#job
    const { clock } = this.#context
    const next = this.#due === undefined ? undefined : Math.round(clock.now() + this.#due - clock.steady())
    return {
      name,
      scope,
      ...(every !== undefined && { every }),
      ...(this.#running !== undefined && { running: this.#running }),
      ...(next !== undefined && { next }),
      ...(this.#lastRun !== undefined && { last: this.#lastRun }),
    }
  }

  /** Begins no run any more. Resolves when the current run has ended and is recorded. */
  async stop(): Promise<void> {
    this.#cancelTimer()
    this.#due = undefined
    await this.#last
    await this.#recording
  }

  #schedule(): void {
    const { every } = this.#job
    const { clock, stopping } = this.#context
    if (every === undefined || stopping.aborted) return
    const longest = Math.max(every, MAX_PAUSE_AFTER_FAILURE_MS)
    const pause = Math.min(every * 2 ** this.#failures, longest)
    const wait = pause * (1 - JITTER + 2 * JITTER * clock.random())
    this.#due = clock.steady() + wait
    this.#cancelTimer = clock.after(wait, () => void this.#runDue())
  }

  async #runDue(): Promise<void> {
    this.#due = undefined
    await this.#enqueue(this.#job, { isAsked: false }).catch(noop)
    // A run that hangs has been reported, but not ended.
    await this.#last
    this.#schedule()
  }

  #enqueue<Result extends Figures>(
    job: Job<Result>,
    options: { isAsked: boolean; begin?: () => void },
  ): Promise<Attempt<Result> | 'held'> {
    const turn = this.#last.then(() => {
      options.begin?.()
      return this.#attempt(job, options)
    })
    this.#last = turn.then((attempt) => (attempt === 'held' ? undefined : attempt.ended), noop)
    void this.#last.then(() => {
      this.#running = undefined
    })
    return turn
  }

  async #attempt<Result extends Figures>(
    job: Job<Result>,
    { isAsked }: { isAsked: boolean },
  ): Promise<Attempt<Result> | 'held'> {
    const { stopping, clock } = this.#context
    for (;;) {
      if (stopping.aborted) throw new RunAborted('the process is stopping')
      this.#running = clock.now()
      const attempt = await attemptRun(job, this.#context)
      if (attempt !== 'held') {
        this.#report(attempt)
        return attempt
      }
      this.#running = undefined
      if (!isAsked) return attempt
      await this.#pause(LEASE_PAUSE_MS)
    }
  }

  #report({ run, outcome }: Attempt<Figures>): void {
    const { log, onRun } = this.#context
    this.#failures = run.outcome === 'failed' ? this.#failures + 1 : 0
    this.#lastRun = run
    if (run.outcome === 'failed') {
      const error = 'error' in outcome ? outcome.error : new RunAborted(run.error)
      log.error({ job: run.job, error }, 'a job failed; it will run again')
    }
    onRun(run)
    if (run.outcome === 'failed' || Object.values(run.result).some((figure) => figure !== 0))
      this.#record(run)
  }

  /** A run must not fail or wait because it can't be recorded, for example on a full disk, which it may be about to free. */
  #record(run: JobRun): void {
    if (this.#recording !== undefined) return
    const { store, log } = this.#context
    this.#recording = store
      .commit([{ type: 'recordRun', run, keep: RUNS_KEPT }])
      .then(noop, (error: unknown) =>
        log.debug({ job: run.job, error }, 'the run of a job could not be recorded'),
      )
      .finally(() => {
        this.#recording = undefined
      })
  }

  async #pause(milliseconds: number): Promise<void> {
    const { clock, stopping } = this.#context
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = clock.after(milliseconds, resolve)
    stopping.addEventListener('abort', () => resolve(), { once: true })
    await promise
    cancel()
  }
}

const noop = () => {}
