import type { JobRun } from '../metadata/jobs.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { RunAborted } from './attempt.ts'
import { type JobClock, SYSTEM_CLOCK } from './clock.ts'
import type { Figures, Job } from './job.ts'
import { type JobLog, JobSlot, type JobState } from './slot.ts'

/** What a runner needs. */
export interface RunnerOptions {
  /** Has the leases and the recorded runs. */
  store: Pick<MetadataStore, 'commit'>
  /** Identifies this runner; no other one may have the same. */
  holder: string
  log: JobLog
  clock?: JobClock
  /** Called after each run, also if there was nothing to do. Must not throw. */
  onRun?(run: JobRun): void
}

/** How long a stop waits for runs that do not end although their signal is aborted. */
const STOP_MS = 5_000

/**
 * Runs jobs: each at its own pace, never two runs of one job at a time. A run is recorded if it did something or failed. A failure is logged,
 * and the job runs again later.
 */
export class JobRunner {
  readonly #slots: ReadonlyMap<string, JobSlot>
  readonly #clock: JobClock
  readonly #stopping = new AbortController()

  constructor(
    jobs: readonly Job[],
    { store, holder, log, clock = SYSTEM_CLOCK, onRun = () => {} }: RunnerOptions,
  ) {
    this.#clock = clock
    const context = { store, holder, log, clock, onRun, stopping: this.#stopping.signal }
    this.#slots = new Map(jobs.map((job) => [job.name, new JobSlot(job, context)]))
  }

  /** Begins to run the jobs. The first run of each is not before its first pause has passed. */
  start(): void {
    for (const slot of this.#slots.values()) slot.start()
  }

  /** Runs a job soon, in addition to its usual runs. @param name of a job of this runner; others are ignored */
  ask(name: string): void {
    this.#slots.get(name)?.ask()
  }

  /**
   * Runs a job of this runner, or a job of the same name with other options, when its current run has ended.
   *
   * @returns what the run returned, once it is recorded
   * @throws what the run threw, or RunAborted if the runner stops first
   */
  async run<Result extends Figures>(job: Job<Result>): Promise<Result> {
    const slot = this.#slots.get(job.name)
    if (slot === undefined) throw new Error(`there is no job ${job.name}`)
    return await slot.run(job)
  }

  /** The jobs, in the order in which they were given. */
  states(): JobState[] {
    return [...this.#slots.values()].map((slot) => slot.state())
  }

  /** Begins no run any more, and tells the current ones to stop. Waits for them, but not for long. */
  async stop(): Promise<void> {
    this.#stopping.abort(new RunAborted('the process is stopping'))
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.after(STOP_MS, resolve)
    await Promise.race([Promise.all([...this.#slots.values()].map((slot) => slot.stop())), late])
    cancel()
  }
}
