import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { JobRunner } from '../jobs/runner.ts'
import { type JobState, RUNS_KEPT } from '../jobs/slot.ts'
import type { JobRun } from '../metadata/jobs.ts'
import { steadyTime, watchClock } from '../registry/clock-jumps.ts'
import type { Pins } from '../registry/pins.ts'
import type { LocalRegistry } from '../registry/registry.ts'
import type { Swept } from '../registry/sweep.ts'
import { type CollectRequest, Sweeper } from '../registry/sweeper.ts'
import type { ThreadStores } from '../stores/stores.ts'
import type { CurrentConfig } from './current-config.ts'

/** The jobs that keep the stores in order, and the check of the stores after the start. They run on this thread or on another one. */
export interface Housekeeping {
  /** Runs a job soon. @param job its name; others are ignored */
  ask(job: string): void
  /** Uses changed settings from now on. */
  configure(config: Config): void
  /** Sweeps with the options of a request when the current run has ended. */
  collect(request: CollectRequest): Promise<Swept>
  /** Returns the jobs and then other jobs of this process, each with its last recorded run. */
  states(others: readonly JobState[]): Promise<JobState[]>
  /** The recorded runs of a job, the newest first. */
  runs(job: string): Promise<JobRun[]>
  /** Tells the jobs to stop and waits for them. */
  close(): Promise<void>
}

/** What housekeeping works on. */
export interface HousekeepingContext {
  stores: ThreadStores
  registry: LocalRegistry
  log: Logger
  pins: Pins
  /** The memory of {@link watchClock}. */
  jumps: SharedArrayBuffer
  /** Identifies this server as the holder of leases of jobs. */
  holder: string
  /** Called after each run of a job. */
  onRun(run: JobRun): void
}

/** Begins the jobs on this thread. They read the stores in steps that may block the thread for as long as a disk hangs. */
export function startHousekeeping(
  current: CurrentConfig,
  { stores, registry, log, pins, jumps, holder, onRun }: HousekeepingContext,
): Housekeeping {
  const { maintenance } = registry
  const sweeper = new Sweeper(maintenance, {
    log,
    pins,
    jumps: watchClock(Date.now, steadyTime, jumps),
    isLow: () => hasLessThan(stores, current.value.lowSpace),
  })
  const { counts, deletion, pulls } = maintenance
  const jobs = [sweeper.job, counts, deletion, pulls]
  const runner = new JobRunner(jobs, { store: stores.metadata, holder, log, onRun })
  const stopChecking = checkStores(stores, log)
  runner.start()
  return {
    ask: (job) => runner.ask(job),
    configure: (config) => current.change(config),
    collect: (request) => runner.run(sweeper.collection(request)),
    states: (others) =>
      Promise.all([...runner.states(), ...others].map((state) => withRecordedRun(state, stores))),
    runs: (job) => stores.metadata.jobs.runs(job, RUNS_KEPT),
    async close() {
      await runner.stop()
      await stopChecking()
    },
  }
}

/** Whether the stores can take less than a limit; always false without a limit. */
async function hasLessThan(stores: ThreadStores, limit: number | undefined): Promise<boolean> {
  if (limit === undefined) return false
  const available = await stores.availableBytes()
  return available !== undefined && available < limit
}

/** The last run of a job may have been in another thread or process, or before the start of this one. */
async function withRecordedRun(state: JobState, { metadata }: ThreadStores): Promise<JobState> {
  const [recorded] = await metadata.jobs.runs(state.name, 1)
  const { last = recorded } = state
  if (last === undefined) return state
  return { ...state, last: recorded !== undefined && recorded.started > last.started ? recorded : last }
}

/** Begins to check the stores in the background. @returns a function that ends the check */
function checkStores(stores: ThreadStores, log: Logger): () => Promise<void> {
  const ending = new AbortController()
  const checking = stores
    .check(ending.signal)
    .catch((error: unknown) => log.error({ error }, 'the data folder could not be checked'))
  return async () => {
    ending.abort()
    await checking
  }
}
